"""Golden values of an adapter by transformers + PEFT in float64, in the form of the reference folders. Run by benchmarks/checkGolden.mjs."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import peft
import torch
from models import LAYER_NAMES, from_gguf, hf_rows, random_folder
from safetensors.torch import save_file

HF_TO_GGUF = {name.split(".")[-1]: module for module, name in LAYER_NAMES.items() if "proj" in name}
HF_TO_GGUF |= {"qkv_proj": "attn_qkv", "gate_up_proj": "ffn_gate_up"}


def gguf_name(name: str) -> str:
    """`base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight` -> `blk.0.attn_q.weight.lora_a`."""
    parts = name.split(".")
    layer = parts[parts.index("layers") + 1]
    factor = next(part for part in parts if part.startswith("lora_"))
    return f"blk.{layer}.{HF_TO_GGUF[parts[parts.index(factor) - 1]]}.weight.{factor.lower()}"


def gguf_rows(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The inverse of hf_rows."""
    order = torch.from_numpy(hf_rows(torch.arange(weight.shape[0]).numpy()[:, None], heads)[:, 0].copy())
    out = torch.empty_like(weight)
    out[order] = weight
    return out


def saved(model, tensors: dict[str, torch.Tensor], path: Path, permuted: bool) -> None:
    """Writes tensors named as PEFT names its parameters, in GGUF names and, if `permuted`, row order."""
    config = model.config
    out = {}
    for name, value in tensors.items():
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        heads = next((count for key, count in heads.items() if key in name), None)
        if permuted and config.model_type == "llama" and heads is not None and "lora_B" in name:
            value = gguf_rows(value, heads)
        out[gguf_name(name)] = value.detach().float().contiguous()
    save_file(out, path)


def token_losses(model, sequences: list[dict]) -> list[torch.Tensor]:
    """NLL of every token but the first, sequence by sequence."""
    rows = []
    for sequence in sequences:
        ids = torch.tensor([sequence["tokens"]])
        scores = torch.log_softmax(model(input_ids=ids).logits[0], dim=-1)
        rows.append(-scores[:-1].gather(1, ids[0, 1:, None])[:, 0])
    return rows


def mean_loss(rows: list[torch.Tensor], sequences: list[dict]) -> torch.Tensor:
    masks = [torch.tensor(sequence["mask"][1:], dtype=torch.bool) for sequence in sequences]
    return torch.cat([row[mask] for row, mask in zip(rows, masks)]).mean()


def make(job: dict) -> None:
    torch.manual_seed(job["seed"])
    out = Path(job["out"])
    out.mkdir(parents=True, exist_ok=True)
    sequences = job["sequences"]
    # A Hugging Face folder with random weights is made here; a GGUF file was made before.
    folder = job.get("config")
    base = (random_folder(folder, job["path"], job["seed"]) if folder else from_gguf(job["path"])).double()
    with torch.no_grad():
        base_rows = token_losses(base, sequences)
    hf_names = {module: name for name, module in HF_TO_GGUF.items()}
    targets = [hf_names[target] for target in job["targets"]]
    lora = peft.LoraConfig(
        r=job["rank"], lora_alpha=job["alpha"], target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM",
        layers_to_transform=job["layers"],
    )
    model = peft.get_peft_model(base, lora).double()
    trainable = {name: p for name, p in model.named_parameters() if p.requires_grad}
    for name, p in trainable.items():
        spread = 1 / math.sqrt(p.shape[1]) if "lora_A" in name else 0.1
        # Values that float32 can hold, as the adapter is stored in it.
        p.data = (torch.randn(p.shape, dtype=torch.float64) * spread).float().double()
    saved(base, {n: p.data for n, p in trainable.items()}, out / "adapter.safetensors", not folder)
    a = job["adamw"]
    optimizer = torch.optim.AdamW(
        trainable.values(), lr=a["lr"], betas=(a["beta1"], a["beta2"]), eps=a["eps"], weight_decay=a["weight_decay"]
    )
    losses = []
    for step in range(a["steps"] + 1):
        optimizer.zero_grad()
        rows = token_losses(model, sequences)
        loss = mean_loss(rows, sequences)
        losses.append(loss.item())
        if step == a["steps"]:
            break
        loss.backward()
        if step == 0:
            adapted = [row.tolist() for row in rows]
            saved(base, {n: p.grad for n, p in trainable.items()}, out / "grads.safetensors", not folder)
        optimizer.step()
    saved(base, {n: p.data for n, p in trainable.items()}, out / "adapter_after.safetensors", not folder)
    golden = {
        **{key: job[key] for key in ("model", "rank", "alpha", "targets", "sequences", "adamw")},
        "base_loss": mean_loss(base_rows, sequences).item(),
        "base_nll": [row.tolist() for row in base_rows],
        "loss": losses[0],
        "nll": adapted,
        "losses": losses,
    }
    (out / "golden.json").write_text(json.dumps(golden))


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = json.load(file)
    for job in jobs:
        make(job)
        print(job["out"], file=sys.stderr, flush=True)
    print(json.dumps({"made": len(jobs)}))


if __name__ == "__main__":
    main()
