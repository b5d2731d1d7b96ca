"""Times PyTorch + transformers + PEFT on one case; prints one JSON line. Run by benchmarks/peers.mjs."""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import sys
import time

import peft
import torch
import transformers
from layouts import LAYOUTS, lay_out
from models import load_case, make_random

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", required=True, help="JSON written by benchmarks/lib/cases.mjs")
    parser.add_argument("--mode", choices=["fp32", "bf16-autocast", "bf16-weights"], default="fp32")
    parser.add_argument("--compile", choices=["no", "default", "max-autotune"], default="no")
    parser.add_argument("--layout", choices=LAYOUTS, default="padded", help="of batches of unlike length")
    parser.add_argument("--threads", type=int, default=0, help="0: as PyTorch chooses")
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--limit", type=float, default=0, help="federation: seconds after which the rest is estimated")
    return parser.parse_args()


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(case: dict, args: argparse.Namespace):
    """The PEFT model (factors in float32, PEFT's default), and what runs its forward pass (compiled or not)."""
    model = make_random(case["shape"], dtype=torch.bfloat16 if args.mode == "bf16-weights" else torch.float32)
    lora = peft.LoraConfig(
        r=case["rank"], lora_alpha=2 * case["rank"], lora_dropout=0.0, target_modules=TARGETS, task_type="CAUSAL_LM"
    )
    model = peft.get_peft_model(model, lora)
    model.train()
    return model, model if args.compile == "no" else torch.compile(model, mode=args.compile)


def make_optimizer(model) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4, weight_decay=0.0)


def train_step(forward, optimizer, batch, mode: str) -> float:
    context = torch.autocast("cpu", dtype=torch.bfloat16) if mode.startswith("bf16") else contextlib.nullcontext()
    optimizer.zero_grad(set_to_none=True)
    with context:
        loss = forward(**batch).loss
    loss.backward()
    optimizer.step()
    return loss.item()


def count_targets(examples: list[dict]) -> int:
    return sum(sum(e["mask"][1:]) for e in examples)


def time_steps(case: dict, args: argparse.Namespace) -> dict:
    """Seconds of each timed step after the warm-up; the examples come in the order of the case, over and over."""
    model, forward = build(case, args)
    optimizer = make_optimizer(model)
    laid_out = lay_out(case["clients"][0]["steps"], args.layout)
    counted = [
        {"tokens": sum(len(e["tokens"]) for e in s), "targets": count_targets(s), "examples": len(s)}
        for s, _ in laid_out
    ]
    steps, start = [], time.perf_counter()
    count = args.warmup + args.steps
    for i in range(count):
        progress(f"step {i + 1} of {count}")
        if i == args.warmup:
            warmup_seconds = time.perf_counter() - start
        at = i % len(laid_out)
        before = time.perf_counter()
        loss = train_step(forward, optimizer, laid_out[at][1], args.mode)
        seconds = time.perf_counter() - before
        if i >= args.warmup:
            steps.append({"seconds": seconds, "loss": loss, **counted[at]})
    return {"steps": steps, "warmup_seconds": warmup_seconds}


def later_rate(steps: list[tuple[float, int]]) -> float:
    """Target tokens a second in the later half of (seconds, targets): past compiling, so that what is left counts at full speed."""
    later = steps[len(steps) // 2 :]
    return sum(targets for _, targets in later) / sum(seconds for seconds, _ in later)


def time_federation(case: dict, args: argparse.Namespace) -> dict:
    """Wall seconds of all clients of all rounds one after the other, FedAvg between rounds; compiling counts.

    With a limit, what is left after so many seconds is estimated at the speed of the later half of the steps done.
    """
    start = time.perf_counter()
    model, forward = build(case, args)
    trainable = [p for p in model.parameters() if p.requires_grad]
    shared = [p.detach().clone() for p in trainable]
    targets = case["rounds"] * sum(count_targets(step) for client in case["clients"] for step in client["steps"])
    done: list[tuple[float, int]] = []
    for round_ in range(case["rounds"]):
        total = [torch.zeros_like(p, dtype=torch.float64) for p in shared]
        for client in case["clients"]:
            progress(f"round {round_ + 1} of {case['rounds']}, client {client['id']}")
            with torch.no_grad():
                for parameter, value in zip(trainable, shared):
                    parameter.copy_(value)
            optimizer = make_optimizer(model)
            for step, batch in lay_out(client["steps"], args.layout):
                before = time.perf_counter()
                train_step(forward, optimizer, batch, args.mode)
                now = time.perf_counter()
                done.append((now - before, count_targets(step)))
                left = targets - sum(n for _, n in done)
                if args.limit and now - start > args.limit and left > 0:
                    seconds = now - start
                    estimate = seconds + left / later_rate(done)
                    return {"wall_seconds": estimate, "targets": targets, "measured_seconds": seconds}
            for sum_, parameter in zip(total, trainable):
                sum_ += parameter.detach().double() / len(case["clients"])
        shared = [sum_.to(old.dtype) for sum_, old in zip(total, shared)]
    return {"wall_seconds": time.perf_counter() - start, "targets": targets}


def main() -> None:
    args = parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    case = load_case(args.case)
    run = time_federation if case["name"] == "federation" else time_steps
    result = run(case, args)
    # Kibibytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    result |= {
        "peer": f"pytorch-{args.mode}-{args.compile}-{args.layout}",
        "case": case["name"],
        "threads": torch.get_num_threads(),
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
