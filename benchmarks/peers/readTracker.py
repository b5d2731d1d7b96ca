"""What a tracker has of the run that it was given last, as JSON: every metric with its steps and values. python readTracker.py TRACKER DIR"""

import json
import struct
import sys
from pathlib import Path


BLOCK = 32768
HEADER = 7


def records_of(data):
    """The records of a log of LevelDB (its log_format.md), which W&B keeps behind 7 bytes of its own."""
    at, record = HEADER, b""
    while at + HEADER <= len(data):
        room = BLOCK - at % BLOCK
        if room < HEADER:
            at += room
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        # 1: whole, 2: first, 3: middle, 4: last.
        if kind in (1, 4):
            yield record
            record = b""


def of_wandb(folder):
    from wandb.proto import wandb_internal_pb2

    (path,) = Path(folder).glob("wandb/offline-run-*/*.wandb")
    for data in records_of(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") != "history":
            continue
        row = {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in record.history.item}
        step = row["_step"] if "_step" in row else record.history.step.num
        yield from ((name, step, value) for name, value in row.items() if not name.startswith("_"))


def of_mlflow(_folder):
    import mlflow

    client = mlflow.MlflowClient()
    (run,) = client.search_runs(["0"])
    for name in run.data.metrics:
        yield from ((name, metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, name))


def of_trackio(_folder):
    from trackio.sqlite_storage import SQLiteStorage

    (name,) = SQLiteStorage.get_runs("fedtune")
    for row in SQLiteStorage.get_logs("fedtune", name):
        yield from ((key, row["step"], value) for key, value in row.items() if key not in ("step", "timestamp"))


READERS = {"wandb": of_wandb, "mlflow": of_mlflow, "trackio": of_trackio}
print(json.dumps(list(READERS[sys.argv[1]](sys.argv[2]))))
