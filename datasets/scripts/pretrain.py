"""Trains the tiny base on the project's own corpus and writes it as GGUF.

    node datasets/scripts/makeCorpus.mjs /tmp/corpus.jsonl 200000
    python datasets/scripts/pretrain.py /tmp/corpus.jsonl datasets/base/tiny.gguf [--minutes 20]

One epoch at most, in the order of the corpus; the learning rate falls with the share of the work or of the time that is
done. Prints the log that is kept as datasets/base/train.log. Needs torch, tokenizers and gguf.
"""

import argparse
import json
import time

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import pre_tokenizers, trainers

from tiny_llama import BOS, CONFIG, EOS, PAD, TinyLlama, bpe, prompt, write_gguf

SEED = 20261124
TOKENS = 4096  # a step
MUON_PEAK, ADAM_PEAK, WARM_UP, DECAY = 4e-3, 6e-3, 40, 0.05
LONG_EVERY = 8  # every so many steps the sequences are as long as the context, else half
PROMPT_WEIGHT = 0.3
JOINED_SHARE = 0.08  # instruction and input as one text, as the chat template writes them


def text_of(row, joined):
    if "text" in row:
        return row["text"]
    if joined:
        row = {**row, "instruction": f"{row['instruction']}\n{row['input']}", "input": ""}
    return prompt(row)


def train_tokenizer(rows):
    tokenizer = bpe()
    trainer = trainers.BpeTrainer(
        vocab_size=CONFIG["vocab"], special_tokens=[BOS, EOS, PAD], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    texts = (part for row in rows[:40000] for part in (text_of(row, False), row.get("output", "")))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def tokenise(rows, tokenizer, rng):
    """
    All texts one after the other, each from BOS to EOS; prompt and answer are encoded apart. Columns: ids and weights in
    the loss, PROMPT_WEIGHT for what an answer is to be given to.
    """
    bos, eos = tokenizer.token_to_id(BOS), tokenizer.token_to_id(EOS)
    texts = [text_of(row, rng.random() < JOINED_SHARE) for row in rows]
    before = tokenizer.encode_batch_fast(texts)
    answers = tokenizer.encode_batch_fast([row.get("output", "") for row in rows])
    stream = np.ones((sum(len(b.ids) + len(a.ids) + 2 for b, a in zip(before, answers)), 2), dtype=np.float32)
    at = 0
    for b, a in zip(before, answers):
        ids = [bos, *b.ids, *a.ids, eos]
        stream[at : at + len(ids), 0] = ids
        if a.ids:
            stream[at : at + len(b.ids) + 1, 1] = PROMPT_WEIGHT
        at += len(ids)
    return stream


def batch_loss(model, chunk, length):
    """Weighted mean loss of a chunk of the stream, cut into sequences of `length` tokens."""
    ids, targets, weights = chunk[:-1, 0].long().view(-1, length), chunk[1:, 0].long(), chunk[1:, 1]
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.logits(model(ids))
    losses = F.cross_entropy(logits.float().flatten(0, 1), targets, reduction="none")
    return (losses * weights).sum() / weights.sum()


def chunks(stream):
    """Consecutive pieces of TOKENS + 1 tokens; the last token of one is the first of the next."""
    whole = torch.from_numpy(stream)
    return [whole[at : at + TOKENS + 1] for at in range(0, len(whole) - TOKENS, TOKENS)]


def optimizers(model):
    """Muon for the matrices of the blocks, AdamW for the embedding and the norms."""
    matrices = [p for p in model.blocks.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return [
        torch.optim.Muon(matrices, lr=MUON_PEAK, weight_decay=DECAY, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([{"params": [model.embed.weight]}, {"params": vectors}], lr=ADAM_PEAK,
                          betas=(0.9, 0.97), weight_decay=0.0, fused=True),
    ]


def train(model, stream, held, minutes):
    start, pieces = time.time(), chunks(stream)
    both = optimizers(model)
    peaks = [optimizer.param_groups[0]["lr"] for optimizer in both]
    recent = []
    for step, chunk in enumerate(pieces):
        done = max(step / len(pieces), (time.time() - start) / (60 * minutes))
        if done >= 1:
            break
        share = min((step + 1) / WARM_UP, 1.0) * (0.02 + 0.98 * (1 - done))
        loss = batch_loss(model, chunk, CONFIG["context"] if step % LONG_EVERY == 0 else CONFIG["context"] // 2)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, peak in zip(both, peaks):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
            optimizer.step()
            optimizer.zero_grad()
        recent.append(loss.item())
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}/{len(pieces)} tokens {(step + 1) * TOKENS} loss {np.mean(recent):.4f} "
                  f"rate {share:.3f} seconds {time.time() - start:.0f}", flush=True)
            recent = []
    with torch.no_grad():
        loss = np.mean([batch_loss(model, chunk, CONFIG["context"]).item() for chunk in chunks(held)])
    print(f"held-out loss {loss:.4f} after {time.time() - start:.0f} seconds of training")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("corpus")
    options.add_argument("out")
    options.add_argument("--minutes", type=float, default=20)
    args = options.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    with open(args.corpus, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    tokenizer = train_tokenizer(rows)
    stream = tokenise(rows, tokenizer, np.random.default_rng(SEED))
    model = TinyLlama(CONFIG)
    print(f"seed {SEED} config {json.dumps(CONFIG)}")
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(rows)} texts, {len(stream)} tokens")
    held = len(stream) // 100
    train(model, stream[:-held], stream[-held:], args.minutes)
    write_gguf(args.out, model, tokenizer)


if __name__ == "__main__":
    main()
