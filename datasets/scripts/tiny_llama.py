"""The tiny base: a llama in plain PyTorch, its prompt format, and the GGUF file it becomes."""

import json

import torch
import torch.nn.functional as F
from torch import nn

BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ '### Response\n' + message['content'] + eos_token }}{% else %}"
    "{{ '### Instruction\n' + message['content'] + '\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '### Response\n' }}{% endif %}"
)
CONFIG = {
    "vocab": 1536, "hidden": 128, "layers": 5, "heads": 4, "kv_heads": 2, "ffn": 384,
    "context": 512, "theta": 10000.0, "eps": 1e-5,
}
LINEARS = {
    "attn_q": "q", "attn_k": "k", "attn_v": "v", "attn_output": "o",
    "ffn_gate": "gate", "ffn_up": "up", "ffn_down": "down",
}


def prompt(row):
    """The text before the answer: template `plain` of src/data/templates."""
    given = f"### Input\n{row['input']}\n" if row["input"] else ""
    return f"### Instruction\n{row['instruction']}\n{given}### Response\n"


def rope_tables(config):
    size = config["hidden"] // config["heads"]
    frequency = config["theta"] ** (-torch.arange(0, size, 2).float() / size)
    angle = torch.arange(config["context"]).float()[:, None] * frequency
    return angle.cos(), angle.sin()


def rotate(x, cos, sin):
    """Neighbouring pairs, as llama.cpp rotates the architecture `llama`. x: (batch, heads, time, size)."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.size = c["heads"], c["kv_heads"], c["hidden"] // c["heads"]
        kv = self.kv_heads * self.size
        self.attn_norm, self.ffn_norm = (nn.RMSNorm(c["hidden"], c["eps"]) for _ in range(2))
        self.q, self.o = (nn.Linear(c["hidden"], c["hidden"], bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(c["hidden"], kv, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(c["hidden"], c["ffn"], bias=False) for _ in range(2))
        self.down = nn.Linear(c["ffn"], c["hidden"], bias=False)

    def forward(self, x, cos, sin):
        batch, time, width = x.shape
        h = self.attn_norm(x)
        q, k, v = (
            linear(h).view(batch, time, n, self.size).transpose(1, 2)
            for linear, n in ((self.q, self.heads), (self.k, self.kv_heads), (self.v, self.kv_heads))
        )
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        repeat = self.heads // self.kv_heads
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed.transpose(1, 2).reshape(batch, time, width))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class TinyLlama(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config["vocab"], config["hidden"])
        self.blocks = nn.ModuleList(Block(config) for _ in range(config["layers"]))
        self.norm = nn.RMSNorm(config["hidden"], config["eps"])
        for name, tensor in (("cos", rope_tables(config)[0]), ("sin", rope_tables(config)[1])):
            self.register_buffer(name, tensor, persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.04 / ((2 * config["layers"]) ** 0.5 if deep else 1))

    def forward(self, ids):
        """ids: (batch, time) -> hidden states (batch, time, hidden) after the last norm."""
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos[: ids.shape[1]], self.sin[: ids.shape[1]])
        return self.norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.embed.weight)


def write_gguf(path, model, tokenizer):
    """Matrices in F16, norms in F32, head tied to the embedding."""
    import gguf
    import numpy as np

    c = model.config
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("fedtune tiny base")
    out.add_license("apache-2.0")
    out.add_context_length(c["context"])
    out.add_embedding_length(c["hidden"])
    out.add_block_count(c["layers"])
    out.add_feed_forward_length(c["ffn"])
    out.add_head_count(c["heads"])
    out.add_head_count_kv(c["kv_heads"])
    out.add_rope_dimension_count(c["hidden"] // c["heads"])
    out.add_rope_freq_base(c["theta"])
    out.add_layer_norm_rms_eps(c["eps"])
    out.add_vocab_size(c["vocab"])
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    write_tokenizer(out, tokenizer)
    tensors = {"token_embd.weight": model.embed.weight, "output_norm.weight": model.norm.weight}
    for i, block in enumerate(model.blocks):
        tensors[f"blk.{i}.attn_norm.weight"] = block.attn_norm.weight
        tensors[f"blk.{i}.ffn_norm.weight"] = block.ffn_norm.weight
        for name, attribute in LINEARS.items():
            tensors[f"blk.{i}.{name}.weight"] = getattr(block, attribute).weight
    for name, tensor in tensors.items():
        out.add_tensor(name, tensor.detach().float().numpy().astype(np.float16 if tensor.dim() == 2 else np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def write_tokenizer(out, tokenizer):
    from gguf import TokenType

    state = json.loads(tokenizer.to_str())
    tokens = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    special = {BOS, EOS, PAD}
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list([token for token, _ in tokens])
    out.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token, _ in tokens])
    out.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair for pair in state["model"]["merges"]])
    out.add_bos_token_id(tokenizer.token_to_id(BOS))
    out.add_eos_token_id(tokenizer.token_to_id(EOS))
    out.add_pad_token_id(tokenizer.token_to_id(PAD))
    out.add_add_bos_token(True)
    out.add_add_eos_token(False)
    out.add_chat_template(CHAT_TEMPLATE)


def bpe():
    """Byte-level BPE that takes digits one by one: `tokenizer.ggml.pre` = smollm."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
