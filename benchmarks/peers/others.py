"""What the scripts of JAX and MLX share: options, cores, timing of steps, and the JSON line that benchmarks/peers.mjs reads."""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def start() -> tuple[argparse.Namespace, dict]:
    """Reads options and case and holds the process to as many cores as it may use threads; call it before importing a library."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", required=True, help="JSON written by benchmarks/lib/cases.mjs, every token a target")
    parser.add_argument("--mode", choices=["fp32", "bf16-weights"], default="fp32")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument("--warmup", type=int, default=2)
    args = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = str(args.threads)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    with open(args.case, encoding="utf-8") as file:
        return args, json.load(file)


def finish(peer: str, args: argparse.Namespace, case: dict, versions: dict, train_step) -> None:
    """Times `train_step(batch)`, which returns the loss of [sequences, tokens] ids, and prints the result."""
    batches = [[e["tokens"] for e in step] for step in case["clients"][0]["steps"]]
    steps = []
    for i in range(args.warmup + args.steps):
        print(f"step {i + 1} of {args.warmup + args.steps}", file=sys.stderr, flush=True)
        batch = batches[i % len(batches)]
        before = time.perf_counter()
        loss = float(train_step(batch))
        seconds = time.perf_counter() - before
        tokens = sum(len(row) for row in batch)
        counted = {"tokens": tokens, "targets": tokens - len(batch), "examples": len(batch)}
        if i >= args.warmup:
            steps.append({"seconds": seconds, "loss": loss, **counted})
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    result = {"peer": f"{peer}-{args.mode}", "case": case["name"], "threads": args.threads, "steps": steps}
    print(json.dumps(result | {"peak_rss_bytes": peak, "versions": versions}))
