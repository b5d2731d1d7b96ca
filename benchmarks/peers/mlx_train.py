"""Times LoRA training of a llama with MLX and mlx-lm on the CPU; prints one JSON line. Run by benchmarks/peers.mjs --others."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from others import TARGETS, finish, start

ARGS, CASE = start()

import mlx.core as mx  # noqa: E402
import mlx.nn as nn  # noqa: E402
import mlx.optimizers as optim  # noqa: E402
from mlx_lm.models.llama import Model, ModelArgs  # noqa: E402
from mlx_lm.tuner.utils import linear_to_lora_layers  # noqa: E402


def build() -> Model:
    """mlx-lm's llama with random weights and LoRA on all seven linears; the factors in float32, as in the other programs."""
    shape = CASE["shape"]
    mx.random.seed(1)
    model = Model(
        ModelArgs(
            model_type="llama",
            hidden_size=shape["hiddenSize"],
            num_hidden_layers=shape["numLayers"],
            intermediate_size=shape["ffnSize"],
            num_attention_heads=shape["numHeads"],
            num_key_value_heads=shape["numKvHeads"],
            head_dim=shape["headDim"],
            rms_norm_eps=shape["normEps"],
            rope_theta=shape["ropeTheta"],
            vocab_size=shape["vocabSize"],
            tie_word_embeddings=shape["tied"],
        )
    )
    if ARGS.mode == "bf16-weights":
        model.set_dtype(mx.bfloat16)
    model.freeze()
    keys = [f"self_attn.{name}" for name in TARGETS[:4]] + [f"mlp.{name}" for name in TARGETS[4:]]
    linear_to_lora_layers(model, shape["numLayers"], {"rank": CASE["rank"], "scale": 2.0, "dropout": 0.0, "keys": keys})
    model.train()
    mx.eval(model.parameters())
    return model


def loss_of(model, ids):
    logits = model(ids[:, :-1]).astype(mx.float32)
    return nn.losses.cross_entropy(logits, ids[:, 1:]).mean()


def main() -> None:
    mx.set_default_device(mx.cpu)
    model = build()
    optimizer = optim.AdamW(learning_rate=1e-4, weight_decay=0.0)
    grad = nn.value_and_grad(model, loss_of)
    state = [model.state, optimizer.state]

    @partial(mx.compile, inputs=state, outputs=state)
    def compiled(ids):
        loss, grads = grad(model, ids)
        optimizer.update(model, grads)
        return loss

    def step(batch):
        loss = compiled(mx.array(batch))
        mx.eval(loss, state)
        return loss.item()

    finish("mlx", ARGS, CASE, {"mlx": version("mlx"), "mlx-lm": version("mlx-lm")}, step)


if __name__ == "__main__":
    main()
