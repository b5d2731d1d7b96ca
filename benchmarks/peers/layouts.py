"""How a batch of conversations is laid out for PyTorch: padded, grouped by length, or packed. Run as a script, it checks that packed
sequences do not see each other: it prints as one JSON line how far loss and gradients of a packed batch are from those of the padded
one, and how far they would be if sequences saw each other."""

from __future__ import annotations

import json
import random

import torch
from models import collate, make_random

LAYOUTS = ["padded", "length-grouped", "packed"]


def group_by_length(steps: list[list[dict]], seed: int = 1) -> list[list[dict]]:
    """The same examples in batches of like length, the batches in a seeded random order, as samplers by length make them."""
    size = len(steps[0])
    examples = sorted((e for step in steps for e in step), key=lambda e: len(e["tokens"]), reverse=True)
    batches = [examples[i : i + size] for i in range(0, len(examples), size)]
    random.Random(seed).shuffle(batches)
    return batches


def fill_rows(examples: list[dict], count: int) -> list[list[dict]]:
    """The examples in so many rows, filled evenly: the longest first, each into the row that is shortest by then."""
    rows: list[list[dict]] = [[] for _ in range(count)]
    for example in sorted(examples, key=lambda e: len(e["tokens"]), reverse=True):
        min(rows, key=lambda row: sum(len(e["tokens"]) for e in row)).append(example)
    return rows


def pack(rows: list[list[dict]], width: int) -> dict[str, torch.Tensor]:
    """Rows of several examples each. Position ids start over at each, from which transformers makes attention that stays within an
    example; first tokens are no targets. Padding at the end is a sequence of its own."""
    ids, positions = torch.zeros((len(rows), width), dtype=torch.long), torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), -100, dtype=torch.long)
    for r, row in enumerate(rows):
        at = 0
        for example in row:
            end = at + len(example["tokens"])
            tokens = torch.tensor(example["tokens"], dtype=torch.long)
            mask = torch.tensor(example["mask"], dtype=torch.bool)
            mask[0] = False
            ids[r, at:end] = tokens
            positions[r, at:end] = torch.arange(end - at)
            labels[r, at:end] = torch.where(mask, tokens, -100)
            at = end
        positions[r, at:] = torch.arange(width - at)
    return {"input_ids": ids, "labels": labels, "position_ids": positions}


def pack_steps(steps: list[list[dict]]) -> list[tuple[list[dict], dict[str, torch.Tensor]]]:
    """All examples in as many steps of packed rows, each of one shape (which compiles once): rows about as long as the longest."""
    examples = [e for step in steps for e in step]
    longest = max(len(e["tokens"]) for e in examples)
    per_step = -(-sum(len(e["tokens"]) for e in examples) // (longest * len(steps)))
    rows = fill_rows(examples, per_step * len(steps))
    width = max(sum(len(e["tokens"]) for e in row) for row in rows)
    parts = [rows[i :: len(steps)] for i in range(len(steps))]
    return [([e for row in part for e in row], pack(part, width)) for part in parts]


def lay_out(steps: list[list[dict]], layout: str) -> list[tuple[list[dict], dict[str, torch.Tensor]]]:
    """The examples of each step with their batch; all of them once in every layout."""
    if layout == "packed":
        return pack_steps(steps)
    return [(step, collate(step)) for step in (group_by_length(steps) if layout == "length-grouped" else steps)]


def check() -> dict:
    shape = dict(architecture="llama", vocabSize=97, hiddenSize=32, ffnSize=48, numLayers=2, numHeads=4, numKvHeads=2)
    model = make_random(shape | dict(headDim=8, contextLength=128, normEps=1e-5, ropeTheta=1e4, tied=True))
    with torch.no_grad():
        for parameter in model.parameters():  # so that attention and the loss depend on what is seen
            parameter.normal_(std=0.5)
    draw = random.Random(3)
    examples = [
        {"tokens": [draw.randrange(97) for _ in range(n)], "mask": [draw.random() < 0.6 for _ in range(n)]}
        for n in (19, 3, 11, 7, 16, 5, 9, 2)
    ]

    def run(batch: dict) -> tuple[float, list[torch.Tensor]]:
        model.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        return loss.item(), [p.grad.clone() for p in model.parameters()]

    def differences(batch: dict) -> dict:
        other, others = run(batch)
        worst = max(((a - b).norm() / a.norm()).item() for a, b in zip(grads, others))
        return {"loss": abs(other - loss), "gradient": worst}

    loss, grads = run(collate(examples))
    [(_, packed)] = pack_steps([examples])
    crossing = packed | {"position_ids": torch.arange(packed["input_ids"].shape[1])[None]}
    return {"packed": differences(packed), "crossing": differences(crossing)}


if __name__ == "__main__":
    print(json.dumps(check()))
