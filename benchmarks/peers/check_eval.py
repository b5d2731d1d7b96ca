"""What transformers, PEFT and lm-evaluation-harness score, for benchmarks/checkEval.mjs.

`make JOB`: writes a model folder and two LoRA adapters. `score JOB`: scores them; the last line of stdout is JSON.
"""

from __future__ import annotations

import json
import sys

import torch
from models import from_gguf
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def random_model(text: str):
    """A llama with random weights, and a byte-level BPE learnt from a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet))
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=112,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.15,
        bos_token_id=0,
        eos_token_id=2,
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=CHATML
    )
    return LlamaForCausalLM(config), fast


def real_model(path: str):
    folder, name = path.rsplit("/", 1)
    return from_gguf(path), AutoTokenizer.from_pretrained(folder, gguf_file=name)


def make(job: dict) -> None:
    model, tokenizer = random_model(open(job["text"], encoding="utf-8").read()) if job["gguf"] is None else real_model(job["gguf"])
    model.save_pretrained(job["model"])
    tokenizer.save_pretrained(job["model"])
    for i, path in enumerate(job["adapters"]):
        torch.manual_seed(10 + i)
        targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"][i:]
        lora = get_peft_model(model, LoraConfig(r=4 + i, lora_alpha=10, target_modules=targets, task_type="CAUSAL_LM"))
        for name, p in lora.named_parameters():
            if "lora_B" in name:
                p.data = torch.randn(p.shape) * 0.2
        lora.save_pretrained(path)
        model = lora.unload()


@torch.no_grad()
def token_losses(model, ids: list[int]) -> torch.Tensor:
    """NLL of every token given those before it; 0 for the first."""
    scores = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0].double(), dim=-1)
    picked = -scores[:-1].gather(1, torch.tensor(ids)[1:, None])[:, 0]
    return torch.cat([torch.zeros(1, dtype=torch.double), picked])


def encode(tokenizer, text: str) -> list[int]:
    """As the tokenizer encodes: behind its BOS token where it has one of its own accord, once where the text begins with it too."""
    ids = tokenizer(text).input_ids
    return ids[1:] if ids[:2] == [tokenizer.bos_token_id] * 2 else ids


def examples_of(model, tokenizer, job: dict) -> list[dict]:
    """NLL and number of the tokens of each answer, its end token with it, asked in the model's chat format."""
    scored = []
    for owner, path in job["data"].items():
        for line in open(path, encoding="utf-8"):
            row = json.loads(line)
            turns = [
                {"role": "user", "content": "\n".join(part for part in (row["instruction"], row["input"]) if part)},
                {"role": "assistant", "content": row["output"]},
            ]
            prompt = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
            whole = prompt + row["output"] + tokenizer.eos_token
            count = len(encode(tokenizer, prompt))
            losses = token_losses(model, encode(tokenizer, whole))
            scored.append({"owner": owner, "nll": losses[count:].sum().item(), "targets": len(losses) - count})
    return scored


def sliding(model, tokenizer, job: dict) -> dict:
    """The recipe of transformers' documentation: `ppl` with its own counts, `nll` with each token counting once."""
    ids = encode(tokenizer, open(job["text"], encoding="utf-8").read())
    exact, tokens, recipe, counted, before = 0.0, 0, 0.0, 0, 0
    for begin in range(0, len(ids), job["stride"]):
        end = min(begin + job["window"], len(ids))
        targets = end - before
        losses = token_losses(model, ids[begin:end])[1:][-targets:]
        exact, tokens = exact + losses.sum().item(), tokens + len(losses)
        recipe, counted = recipe + losses.mean().item() * (targets - 1), counted + targets - 1
        before = end
        if end == len(ids):
            break
    return {"nll": exact / tokens, "tokens": tokens, "recipe": recipe / counted}


def harness(model, tokenizer, job: dict) -> dict:
    import lm_eval
    from lm_eval.models.huggingface import HFLM

    text = open(job["text"], encoding="utf-8").read()
    with open(job["pages"], "w", encoding="utf-8") as file:
        file.write(json.dumps({"page": text}) + "\n")
    local = {"dataset_path": "json", "test_split": "test"}
    choices = {
        **local,
        "task": "fedtune_choices",
        "dataset_kwargs": {"data_files": {"test": job["questions"]}},
        "output_type": "multiple_choice",
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    pages = {
        **local,
        "task": "fedtune_pages",
        "dataset_kwargs": {"data_files": {"test": job["pages"]}},
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{page}}",
        "metric_list": [{"metric": "word_perplexity"}, {"metric": "byte_perplexity"}, {"metric": "bits_per_byte"}],
    }

    def run(task: dict, **bos) -> dict:
        how = {"backend": "causal", "max_length": job["window"] - 1, "batch_size": 4, **bos}
        return lm_eval.simple_evaluate(model=HFLM(pretrained=model, tokenizer=tokenizer, **how), tasks=[task], bootstrap_iters=0)

    # A rolling text stands behind a BOS token anyway; with the tokenizer's own it would be two.
    found = {"fedtune_choices": run(choices), "fedtune_pages": run(pages, add_bos_token=False)}
    of = lambda task, metric: found[task]["results"][task][f"{metric},none"]
    samples = sorted(found["fedtune_choices"]["samples"]["fedtune_choices"], key=lambda sample: sample["doc_id"])
    return {
        "acc": of("fedtune_choices", "acc"),
        "acc_norm": of("fedtune_choices", "acc_norm"),
        "choices": [[-float(response[0]) for response in sample["filtered_resps"]] for sample in samples],
        **{metric: of("fedtune_pages", metric) for metric in ("word_perplexity", "byte_perplexity", "bits_per_byte")},
    }


def score(job: dict) -> dict:
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    results = {}
    for path in [None, *job["adapters"]]:
        model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
        if path is not None:
            model = PeftModel.from_pretrained(model, path)
        model.eval()
        results["base" if path is None else path] = {
            "examples": examples_of(model, tokenizer, job),
            "sliding": sliding(model, tokenizer, job),
            "harness": harness(model, tokenizer, job),
        }
    return results


def main() -> None:
    with open(sys.argv[2], encoding="utf-8") as file:
        job = json.load(file)
    print(json.dumps(make(job) if sys.argv[1] == "make" else score(job)))


if __name__ == "__main__":
    main()
