"""FedAvg of Flower; says when each round begins and ends in a file of JSON lines."""

import json
import time

import numpy as np
from flwr.common import ArrayRecord, ConfigRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


def poll(grid, strategy, arrays, rounds, seconds, say):
    """The rounds of FedAvg with the low-level calls of the grid, which let us look for replies as often as we like."""
    for server_round in range(1, rounds + 1):
        messages = list(strategy.configure_train(server_round, arrays, ConfigRecord(), grid))
        waiting = set(grid.push_messages(messages))
        replies = []
        while waiting:
            time.sleep(seconds)
            found = list(grid.pull_messages(list(waiting)))
            replies += found
            waiting -= {message.metadata.reply_to_message_id for message in found}
        arrays, _ = strategy.aggregate_train(server_round, replies)
        say(server_round, len(replies))


@app.main()
def main(grid, context):
    config = context.run_config
    values, rounds, nodes = int(config["values"]), int(config["rounds"]), int(config["nodes"])
    with open(str(config["events"]), "a", buffering=1) as file:

        def say(server_round, replies):
            file.write(json.dumps({"round": server_round, "replies": replies}) + "\n")

        random = np.random.default_rng(1)
        whole = random.standard_normal(values, dtype=np.float32)
        arrays = ArrayRecord(np.array_split(whole, int(config["arrays"])))
        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes)
        while len(list(grid.get_node_ids())) < nodes:
            time.sleep(0.1)
        say(0, 0)
        if float(config["polling"]) > 0:
            poll(grid, strategy, arrays, rounds, float(config["polling"]), say)
            return

        def after(server_round, merged):
            if server_round > 0:
                say(server_round, nodes)

        strategy.start(grid=grid, initial_arrays=arrays, num_rounds=rounds, evaluate_fn=after)
