"""Hugging Face models for the comparisons: random ones of a given shape, or the weights of a GGUF file."""

from __future__ import annotations

import json

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

# Where each tensor of a GGUF block lies in a Hugging Face decoder layer.
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


CLASSES = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}


def make_config(shape: dict):
    """The config of a shape as benchmarks/lib/shapes.mjs writes it."""
    common = dict(
        vocab_size=shape["vocabSize"],
        hidden_size=shape["hiddenSize"],
        intermediate_size=shape["ffnSize"],
        num_hidden_layers=shape["numLayers"],
        num_attention_heads=shape["numHeads"],
        num_key_value_heads=shape["numKvHeads"],
        max_position_embeddings=shape["contextLength"],
        rms_norm_eps=shape["normEps"],
        rope_parameters={"rope_type": "default", "rope_theta": shape["ropeTheta"]},
        tie_word_embeddings=shape["tied"],
        bos_token_id=1,
        eos_token_id=2,
        use_cache=False,
    )
    config, _ = CLASSES[shape["architecture"]]
    return config(**common) if config is Qwen2Config else config(head_dim=shape["headDim"], **common)


def make_random(shape: dict, seed: int = 1, dtype: torch.dtype = torch.float32):
    """A model of that shape with random weights, made in `dtype` from the start."""
    torch.manual_seed(seed)
    _, cls = CLASSES[shape["architecture"]]
    torch.set_default_dtype(dtype)
    model = cls(make_config(shape))
    torch.set_default_dtype(torch.float32)
    return model


def hf_rows(weight: np.ndarray, heads: int) -> np.ndarray:
    """Undoes the row order of q and k in GGUF files of the llama architecture: (heads, half, 2) -> (heads, 2, half)."""
    rows = weight.shape[0]
    split = weight.reshape(heads, rows // heads // 2, 2, *weight.shape[1:])
    return split.swapaxes(1, 2).reshape(weight.shape)


def _field(reader, key: str, default=None):
    field = reader.get_field(key)
    return default if field is None else field.contents()


def from_gguf(path: str):
    """Reads a llama, qwen2 or qwen3 GGUF file into the Hugging Face class in float32; returns the model."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    reader = GGUFReader(path)
    arch = _field(reader, "general.architecture")
    heads = int(_field(reader, f"{arch}.attention.head_count"))
    kv_heads = int(_field(reader, f"{arch}.attention.head_count_kv", heads))
    weights = {t.name: torch.from_numpy(np.array(dequantize(t.data, t.tensor_type), dtype=np.float32)) for t in reader.tensors}
    hidden = int(_field(reader, f"{arch}.embedding_length"))
    shape = {
        "architecture": arch,
        "vocabSize": weights["token_embd.weight"].shape[0],
        "hiddenSize": hidden,
        "ffnSize": int(_field(reader, f"{arch}.feed_forward_length")),
        "numLayers": int(_field(reader, f"{arch}.block_count")),
        "numHeads": heads,
        "numKvHeads": kv_heads,
        "headDim": int(_field(reader, f"{arch}.attention.key_length", hidden // heads)),
        "contextLength": int(_field(reader, f"{arch}.context_length")),
        "normEps": float(_field(reader, f"{arch}.attention.layer_norm_rms_epsilon")),
        "ropeTheta": float(_field(reader, f"{arch}.rope.freq_base", 10000.0)),
        "tied": "output.weight" not in weights,
    }
    model = make_random(shape)
    state = {
        "model.embed_tokens.weight": weights["token_embd.weight"],
        "model.norm.weight": weights["output_norm.weight"],
        "lm_head.weight": weights.get("output.weight", weights["token_embd.weight"]),
    }
    for name, value in weights.items():
        if not name.startswith("blk."):
            continue
        _, layer, module, kind = name.split(".")
        if arch == "llama" and module in ("attn_q", "attn_k"):
            value = torch.from_numpy(hf_rows(value.numpy(), heads if module == "attn_q" else kv_heads).copy())
        state[f"model.layers.{layer}.{LAYER_NAMES[module]}.{kind}"] = value
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or [name for name in missing if "rotary" not in name]:
        raise SystemExit(f"{path} does not fit {type(model).__name__}: missing {missing}, unexpected {unexpected}")
    if "rope_freqs.weight" in weights:
        model.model.rotary_emb.inv_freq /= weights["rope_freqs.weight"]
    return model.eval()


def random_folder(config: dict, path: str, seed: int):
    """A model of transformers' own class for a config.json, with random weights, norms and biases away from their start; saved
    as a folder with a tokenizer of single bytes. Returns it in float32."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    torch.manual_seed(seed)
    config = AutoConfig.for_model(**config)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config)
    for name, p in model.named_parameters():
        spread = 0.1 if "norm" in name or name.endswith("bias") else 0.06
        # Norms start at 1, or at 0 where 1 is added to them; biases at 0.
        start = p.data.mean().round() if "norm" in name else 0.0
        p.data = start + torch.randn(p.shape) * spread
    model.save_pretrained(path)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(f"{path}/tokenizer.json")
    return model.eval()


def load_case(path: str) -> dict:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def collate(examples: list[dict], pad_id: int = 0) -> dict[str, torch.Tensor]:
    """Right-pads examples of `tokens` and `mask` to their longest, as a data collator does; labels are -100 where not a target."""
    longest = max(len(e["tokens"]) for e in examples)
    ids = torch.full((len(examples), longest), pad_id, dtype=torch.long)
    labels = torch.full((len(examples), longest), -100, dtype=torch.long)
    attention = torch.zeros((len(examples), longest), dtype=torch.long)
    for row, example in enumerate(examples):
        tokens = torch.tensor(example["tokens"], dtype=torch.long)
        mask = torch.tensor(example["mask"], dtype=torch.bool)
        ids[row, : len(tokens)] = tokens
        attention[row, : len(tokens)] = 1
        labels[row, : len(tokens)] = torch.where(mask, tokens, -100)
    batch = {"input_ids": ids, "labels": labels}
    if not bool(attention.all()):
        batch["attention_mask"] = attention
    return batch
