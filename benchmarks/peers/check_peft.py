"""Opens exported PEFT folders with PEFT + transformers and compares per-token losses. Run by benchmarks/checkPeft.mjs."""

from __future__ import annotations

import json
import sys

import torch
from models import from_gguf
from peft import PeftModel


@torch.no_grad()
def token_losses(model, sequences: list[list[int]]) -> torch.Tensor:
    """NLL of every token given those before it, 0 for the first of a sequence; sequences one after the other."""
    rows = []
    for tokens in sequences:
        ids = torch.tensor([tokens])
        scores = torch.log_softmax(model(input_ids=ids).logits[0].double(), dim=-1)
        rows.append(torch.cat([torch.zeros(1, dtype=torch.double), -scores[:-1].gather(1, ids[0, 1:, None])[:, 0]]))
    return torch.cat(rows)


def check(job: dict) -> dict:
    model = from_gguf(job["gguf"])
    base = token_losses(model, job["sequences"])
    adapted = token_losses(PeftModel.from_pretrained(model, job["adapter"]).eval(), job["sequences"])
    return {
        "name": job["name"],
        "base": (base - torch.tensor(job["baseNll"])).abs().max().item(),
        "adapted": (adapted - torch.tensor(job["nll"])).abs().max().item(),
        "effect": (adapted - base).abs().max().item(),
    }


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        jobs = json.load(file)
    print(json.dumps({"results": [check(job) for job in jobs]}))


if __name__ == "__main__":
    main()
