"""Whether the data makes the federated question real: perplexity on each owner's test set of the base, of LoRA trained on
the owner's data alone, of the FedAvg adapter of all owners, and of that adapter after more steps at the owner.

    python datasets/scripts/simulate.py datasets/base/tiny.gguf datasets/owners

Plain PyTorch, independent of the engine. Prints the table that is kept as datasets/owners/simulation.log.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from tiny_llama import LINEARS, encode, read_gguf

SEED, RANK, ALPHA, RATE, BATCH = 7, 8, 16, 1e-2, 8


class Lora(nn.Module):
    """y = W x + alpha / rank * B A x; A starts Kaiming-uniform, B at zero."""

    def __init__(self, linear):
        super().__init__()
        self.weight = linear.weight.requires_grad_(False)
        self.a = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(RANK, linear.in_features), a=5**0.5))
        self.b = nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, x):
        # One product: the weights are small beside a batch.
        return F.linear(x, self.weight + ALPHA / RANK * self.b @ self.a)


def with_lora(model):
    model.requires_grad_(False)
    for block in model.blocks:
        for attribute in LINEARS.values():
            setattr(block, attribute, Lora(getattr(block, attribute)))
    return [p for p in model.parameters() if p.requires_grad]


def read(path, tokenizer):
    with open(path, encoding="utf-8") as file:
        return [encode(tokenizer, json.loads(line)) for line in file]


def loss_of(model, examples):
    """Sum of the losses over the answers' tokens, and their number."""
    longest = max(len(ids) for ids, _ in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    marks = torch.zeros(len(examples), longest, dtype=torch.bool)
    for row, (tokens, start) in enumerate(examples):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        marks[row, start : len(tokens)] = True
    logits = model.logits(model(ids[:, :-1])[marks[:, 1:]])
    return F.cross_entropy(logits, ids[:, 1:][marks[:, 1:]], reduction="sum"), int(marks.sum())


@torch.no_grad()
def perplexity(model, examples):
    batches = [sorted(examples, key=lambda e: len(e[0]))[i : i + 32] for i in range(0, len(examples), 32)]
    parts = [loss_of(model, batch) for batch in batches]
    return math.exp(sum(loss.item() for loss, _ in parts) / sum(count for _, count in parts))


def train(model, parameters, examples, steps, rng):
    """AdamW with a fresh state, the examples shuffled anew each pass."""
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0, fused=True)
    queue = []
    for _ in range(steps):
        if len(queue) < BATCH:
            queue = rng.sample(examples, len(examples))
        loss, count = loss_of(model, [queue.pop() for _ in range(BATCH)])
        optimizer.zero_grad()
        (loss / count).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


@torch.no_grad()
def put(parameters, values):
    for parameter, value in zip(parameters, values):
        parameter.copy_(value)


def copy(parameters):
    return [parameter.detach().clone() for parameter in parameters]


def federate(model, parameters, owners, rounds, steps):
    """FedIT: the sample-weighted mean of A and of B, every owner in every round. Returns the adapter."""
    total = sum(len(owner["train"]) for owner in owners)
    state = copy(parameters)
    for index in range(rounds):
        mean = [torch.zeros_like(value) for value in state]
        for owner in owners:
            put(parameters, state)
            train(model, parameters, owner["train"], steps, random.Random(f"{SEED}/{index}/{owner['id']}"))
            for value, trained in zip(mean, copy(parameters)):
                value += trained * (len(owner["train"]) / total)
        state = mean
    return state


def local(model, parameters, owner, start, rounds, steps):
    """Test perplexity after each round of the owner alone, and the training perplexity at the end."""
    put(parameters, start)
    course = []
    for index in range(rounds):
        train(model, parameters, owner["train"], steps, random.Random(f"{SEED}/{index}/{owner['id']}"))
        course.append((perplexity(model, owner["valid"]), perplexity(model, owner["test"])))
    return course, perplexity(model, owner["train"][:60])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("model")
    options.add_argument("owners")
    options.add_argument("--rounds", type=int, default=6)
    options.add_argument("--steps", type=int, default=30)
    options.add_argument("--more", type=int, default=1)
    args = options.parse_args()
    start_time = time.time()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    model, tokenizer = read_gguf(args.model)
    folders = sorted(path.parent for path in Path(args.owners).glob("*/train.jsonl"))
    owners = [
        {"id": folder.name, **{split: read(folder / f"{split}.jsonl", tokenizer) for split in ("train", "valid", "test")}}
        for folder in folders
    ]
    owners.sort(key=lambda owner: -len(owner["train"]))
    parameters = with_lora(model)
    fresh = copy(parameters)
    base = [perplexity(model, owner["test"]) for owner in owners]
    shared = federate(model, parameters, owners, args.rounds, args.steps)
    print(f"LoRA rank {RANK}, alpha {ALPHA}, AdamW {RATE}, {args.rounds} rounds of {args.steps} steps of {BATCH} examples, seed {SEED}\n")
    print("| owner | train | base | local | local, best round by valid | local on its train | global | global + "
          f"{args.more} rounds local |\n|---|---:|---:|---:|---:|---:|---:|---:|")
    rows = []
    for owner, start in zip(owners, base):
        course, seen = local(model, parameters, owner, fresh, args.rounds, args.steps)
        put(parameters, shared)
        together = perplexity(model, owner["test"])
        tuned = local(model, parameters, owner, shared, args.more, args.steps)[0][-1][1]
        rows.append([start, course[-1][1], min(course)[1], seen, together, tuned])
        print(f"| {owner['id']} | {len(owner['train'])} | " + " | ".join(f"{v:.2f}" for v in rows[-1]) + " |", flush=True)
    means = [sum(column) / len(column) for column in zip(*rows)]
    print("| mean | | " + " | ".join(f"{v:.2f}" for v in means) + " |")
    print(f"{time.time() - start_time:.0f} seconds")


if __name__ == "__main__":
    main()
