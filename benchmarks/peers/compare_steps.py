"""Trains an exported adapter with PyTorch + PEFT, step by step, in float32. Run by benchmarks/compareSteps.mjs."""

from __future__ import annotations

import json
import sys

import peft
import torch
import transformers
from models import collate, from_gguf


def main() -> None:
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    model = peft.PeftModel.from_pretrained(from_gguf(job["gguf"]), job["adapter"], is_trainable=True).train()
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=job["learningRate"], betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for examples in job["steps"]:
        optimizer.zero_grad(set_to_none=True)
        loss = model(**collate(examples)).loss
        loss.backward()
        if job["maxGradNorm"] > 0:
            torch.nn.utils.clip_grad_norm_(trainable, job["maxGradNorm"])
        optimizer.step()
        losses.append(loss.item())
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}
    print(json.dumps({"losses": losses, "versions": versions}))


if __name__ == "__main__":
    main()
