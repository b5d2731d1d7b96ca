"""Folders for benchmarks/checkMerged.mjs, and what transformers makes of the merged ones.

`make JOBS`: writes a Hugging Face folder of random weights, or of the weights of a GGUF file, in the dtype asked for.
`check JOBS`: per-token losses of merged folders, opened by AutoModelForCausalLM alone, against those of the engine.
"""

from __future__ import annotations

import json
import sys

import torch
from check_peft import token_losses
from models import from_gguf, random_folder
from transformers import AutoModelForCausalLM


def make(job: dict) -> dict:
    model = random_folder(job["config"], job["base"], job["seed"])
    if "gguf" in job:
        model = from_gguf(job["gguf"])
    model.to(getattr(torch, job["dtype"])).save_pretrained(job["base"], max_shard_size=job["shard"])
    return {}


@torch.no_grad()
def check(job: dict) -> dict:
    model = AutoModelForCausalLM.from_pretrained(job["merged"], dtype=torch.float32, attn_implementation="eager").eval()
    losses = token_losses(model, job["sequences"])
    nll, base = torch.tensor(job["nll"]), torch.tensor(job["baseNll"])
    return {"merged": (losses - nll).abs().max().item(), "effect": (nll - base).abs().max().item()}


def main() -> None:
    with open(sys.argv[2], encoding="utf-8") as file:
        jobs = json.load(file)
    work = {"make": make, "check": check}[sys.argv[1]]
    print(json.dumps({"results": [work(job) for job in jobs]}))


if __name__ == "__main__":
    main()
