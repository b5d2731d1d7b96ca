"""
Brings a run of fedtune into Weights & Biases, MLflow or trackio, from its events.jsonl, while it goes on or afterwards:

    pip install wandb        # or mlflow, or trackio
    python examples/track.py wandb runs/mine            # what is there
    python examples/track.py wandb runs/mine --follow   # until the run has ended

Steps are rounds. Where the numbers go is up to the tracker's own settings (WANDB_MODE, WANDB_PROJECT, MLFLOW_TRACKING_URI, ...).
"""

import argparse
import json
import re
import time
from pathlib import Path


def events_of(path, follow):
    """The events of a run, line by line; with `follow` until the run has ended. A last line without its end is still being written."""
    while follow and not path.exists():
        time.sleep(1)
    with path.open(encoding="utf-8", newline="\n") as file:
        rest = ""
        while True:
            rest += file.readline()
            if rest.endswith("\n"):
                event = json.loads(rest)
                yield event
                if event["type"] == "final" and follow:
                    return
                rest = ""
            elif follow:
                time.sleep(1)
            else:
                return


def perplexities(prefix, event):
    """Means over the owners, and each owner's, by what was scored."""
    yield from ((f"{prefix}/mean/{kind}", score["ppl"]) for kind, score in event["macro"].items())
    for owner, scores in event.get("clients", {}).items():
        yield from ((f"{prefix}/{owner}/{kind}", score["ppl"]) for kind, score in scores.items())


def numbers_of(event, totals):
    """The numbers of one event; `totals` is what adds up over the rounds."""
    if event["type"] == "client":
        yield f"loss/{event['client']}", event["losses"][-1] if event["losses"] else None
    elif event["type"] == "round":
        for key in ("bytes_up", "bytes_down"):
            totals[key] = totals.get(key, 0) + event[key]
            yield f"traffic/{key}", totals[key]
        yield "round/loss", event.get("loss")
        yield "round/clients", len(event["clients"])
        yield "time/virtual_seconds", event.get("virtual_seconds")
        yield from ((f"server/{key}", value) for key, value in event["metrics"].items() if isinstance(value, (int, float)))
    elif event["type"] == "evaluation":
        yield from perplexities(f"{event['split']}_perplexity", event)
    elif event["type"] == "final":
        yield from perplexities("final_perplexity", event)


class Wandb:
    def __init__(self, name, config):
        import wandb

        self.run = wandb.init(name=name, config=config)

    def log(self, numbers, step):
        self.run.log(numbers, step=step)

    def close(self):
        self.run.finish()


class Trackio:
    def __init__(self, name, config):
        import trackio

        self.trackio = trackio
        trackio.init(project="fedtune", name=name, config=config)

    def log(self, numbers, step):
        self.trackio.log(numbers, step=step)

    def close(self):
        self.trackio.finish()


class Mlflow:
    def __init__(self, name, config):
        import mlflow

        self.mlflow = mlflow
        mlflow.start_run(run_name=name)
        mlflow.log_params({key: json.dumps(value)[:500] for key, value in config.items()})

    def log(self, numbers, step):
        # Names of metrics hold letters, digits and _ - . / : and spaces.
        self.mlflow.log_metrics({re.sub(r"[^\w\-./: ]", "_", key): value for key, value in numbers.items()}, step=step)

    def close(self):
        self.mlflow.end_run()


TRACKERS = {"wandb": Wandb, "mlflow": Mlflow, "trackio": Trackio}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tracker", choices=TRACKERS)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--follow", action="store_true", help="go on until the run has ended")
    options = parser.parse_args()
    tracker, totals, logged = None, {}, 0
    # Everything of a round goes out together: trackers take no step that they have passed.
    step, pending = 0, {}
    for event in events_of(options.run / "events.jsonl", options.follow):
        if event["type"] == "start":
            tracker = TRACKERS[options.tracker](options.run.resolve().name, event["config"])
        at = event.get("round", step)
        if isinstance(at, int) and at > step:
            if pending:
                tracker.log(pending, step)
            step, pending = at, {}
        # JSON has no NaN and no infinity: they are null there, and left out.
        found = {name: value for name, value in numbers_of(event, totals) if value is not None}
        pending.update(found)
        logged += len(found)
    if tracker is None:
        raise SystemExit(f"Expected a run that has begun but {options.run} has no events.")
    if pending:
        tracker.log(pending, step)
    tracker.close()
    print(json.dumps({"step": step, "numbers": logged}))


if __name__ == "__main__":
    main()
