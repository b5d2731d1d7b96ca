"""Times LoRA training of a llama in JAX on the CPU (jit, layers as a scan); prints one JSON line. Run by benchmarks/peers.mjs --others."""

from __future__ import annotations

from others import TARGETS, finish, start

ARGS, CASE = start()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402

SHAPE, RANK = CASE["shape"], CASE["rank"]
HEADS, KV_HEADS, DIM = SHAPE["numHeads"], SHAPE["numKvHeads"], SHAPE["headDim"]
DTYPE = jnp.bfloat16 if ARGS.mode == "bf16-weights" else jnp.float32


def make_weights():
    """Frozen weights [layers, in, out] in the type of the mode, and LoRA factors in float32, by name."""
    hidden, ffn, layers = SHAPE["hiddenSize"], SHAPE["ffnSize"], SHAPE["numLayers"]
    q, kv = HEADS * DIM, KV_HEADS * DIM
    sizes = dict(zip(TARGETS, [(hidden, q), (hidden, kv), (hidden, kv), (q, hidden), (hidden, ffn), (hidden, ffn), (ffn, hidden)]))
    keys = iter(jax.random.split(jax.random.key(1), 2 * len(sizes) + 1))
    draw = lambda size: 0.02 * jax.random.normal(next(keys), size)
    frozen = {name: draw((layers, *size)).astype(DTYPE) for name, size in sizes.items()}
    lora = {
        name: {"a": draw((layers, rows, RANK)), "b": jnp.zeros((layers, RANK, columns))}
        for name, (rows, columns) in sizes.items()
    }
    norms = {name: jnp.ones((layers, hidden), DTYPE) for name in ("norm_1", "norm_2")}
    base = {"layers": frozen | norms, "embedding": draw((SHAPE["vocabSize"], hidden)).astype(DTYPE)}
    return base | {"norm": jnp.ones(hidden, DTYPE)}, lora


def norm(x, weight):
    wide = x.astype(jnp.float32)
    return (wide * jax.lax.rsqrt(jnp.mean(wide**2, -1, keepdims=True) + SHAPE["normEps"])).astype(DTYPE) * weight


def rotate(x, cos, sin):
    low, high = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def loss_of(lora, base, ids):
    """Mean cross-entropy of the next tokens."""
    rows, length = ids.shape
    angles = jnp.outer(jnp.arange(length), SHAPE["ropeTheta"] ** (-jnp.arange(0, DIM, 2) / DIM))[:, None, :]
    cos, sin = jnp.cos(angles).astype(DTYPE), jnp.sin(angles).astype(DTYPE)

    def layer(x, parts):
        weights, factors = parts

        def linear(name, x):
            a, b = factors[name]["a"].astype(DTYPE), factors[name]["b"].astype(DTYPE)
            return x @ weights[name] + 2 * ((x @ a) @ b)

        y = norm(x, weights["norm_1"])
        q = rotate(linear("q_proj", y).reshape(rows, length, HEADS, DIM), cos, sin)
        k = rotate(linear("k_proj", y).reshape(rows, length, KV_HEADS, DIM), cos, sin)
        v = linear("v_proj", y).reshape(rows, length, KV_HEADS, DIM)
        seen = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        x = x + linear("o_proj", seen.reshape(rows, length, HEADS * DIM))
        y = norm(x, weights["norm_2"])
        return x + linear("down_proj", jax.nn.silu(linear("gate_proj", y)) * linear("up_proj", y)), None

    x, _ = jax.lax.scan(layer, base["embedding"][ids], (base["layers"], lora))
    logits = (norm(x, base["norm"])[:, :-1] @ base["embedding"].T).astype(jnp.float32)
    chosen = jnp.take_along_axis(logits, ids[:, 1:, None], axis=-1)[..., 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=-1) - chosen)


@jax.jit
def train_step(lora, state, base, ids):
    """One step of AdamW: learning rate 1e-4, no weight decay."""
    loss, grads = jax.value_and_grad(loss_of)(lora, base, ids)
    mean, square, count = state
    count = count + 1
    mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, grads)
    square = jax.tree.map(lambda s, g: 0.999 * s + 0.001 * g * g, square, grads)
    scale = jnp.sqrt(1 - 0.999**count) / (1 - 0.9**count)
    lora = jax.tree.map(lambda p, m, s: p - 1e-4 * scale * m / (jnp.sqrt(s) + 1e-8), lora, mean, square)
    return loss, lora, (mean, square, count)


def main() -> None:
    base, lora = make_weights()
    zeros = jax.tree.map(jnp.zeros_like, lora)
    state = (zeros, zeros, jnp.zeros(()))

    def step(batch):
        nonlocal lora, state
        loss, lora, state = jax.block_until_ready(train_step(lora, state, base, jnp.array(batch)))
        return loss

    finish("jax", ARGS, CASE, {"jax": jax.__version__}, step)


if __name__ == "__main__":
    main()
