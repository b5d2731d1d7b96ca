"""A client that answers at once with the arrays that it was sent."""

from flwr.clientapp import ClientApp
from flwr.common import Message, MetricRecord, RecordDict

app = ClientApp()


@app.train()
def train(message, context):
    content = RecordDict(
        {"arrays": message.content["arrays"], "metrics": MetricRecord({"num-examples": 10, "loss": 1.0})}
    )
    return Message(content=content, reply_to=message)
