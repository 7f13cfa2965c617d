"""The network, in plain torch: the Llama architecture, small, with tied embeddings."""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Shape:
    vocabulary: int
    width: int = 128
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    inner: int = 352
    theta: float = 10000.0
    epsilon: float = 1e-5
    positions: int = 1024

    @property
    def head(self) -> int:
        return self.width // self.heads

    def as_config(self) -> dict:
        """The config.json that transformers and the engine read."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": None,
            "eos_token_id": None,
            "head_dim": self.head,
            "hidden_act": "silu",
            "hidden_size": self.width,
            "initializer_range": 0.05,
            "intermediate_size": self.inner,
            "max_position_embeddings": self.positions,
            "mlp_bias": False,
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "rms_norm_eps": self.epsilon,
            "rope_theta": self.theta,
            "rope_scaling": None,
            "tie_word_embeddings": True,
            "torch_dtype": "float16",
            "use_cache": True,
            "vocab_size": self.vocabulary,
        }


class Block(nn.Module):
    """Attention and a gated network, each added to what comes in."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.n1 = nn.Parameter(torch.ones(shape.width))
        self.n2 = nn.Parameter(torch.ones(shape.width))
        keys = shape.heads + 2 * shape.kv_heads
        self.qkv = nn.Linear(shape.width, keys * shape.head, bias=False)
        self.o = nn.Linear(shape.width, shape.width, bias=False)
        self.gu = nn.Linear(shape.width, 2 * shape.inner, bias=False)
        self.dn = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, drop: float):
        s, (batch, length, _) = self.shape, x.shape
        h = F.rms_norm(x, (s.width,), self.n1, s.epsilon)
        h = self.qkv(h).view(batch, length, s.heads + 2 * s.kv_heads, s.head).transpose(1, 2)
        q, k, v = h.split([s.heads, s.kv_heads, s.kv_heads], 1)
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        group = s.heads // s.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        attended = attended.transpose(1, 2).reshape(batch, length, s.width)
        x = x + F.dropout(self.o(attended), drop, self.training)
        gate, up = self.gu(F.rms_norm(x, (s.width,), self.n2, s.epsilon)).chunk(2, -1)
        return x + F.dropout(self.dn(F.silu(gate) * up), drop, self.training)


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Network(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.emb = nn.Embedding(shape.vocabulary, shape.width)
        nn.init.normal_(self.emb.weight, std=0.05)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.nf = nn.Parameter(torch.ones(shape.width))
        depth = 2 * shape.layers
        for block in self.blocks:
            nn.init.normal_(block.qkv.weight, std=1 / math.sqrt(shape.width))
            nn.init.normal_(block.gu.weight, std=1 / math.sqrt(shape.width))
            nn.init.normal_(block.o.weight, std=1 / math.sqrt(shape.width * depth))
            nn.init.normal_(block.dn.weight, std=1 / math.sqrt(shape.inner * depth))
        frequencies = shape.theta ** -(torch.arange(0, shape.head, 2).float() / shape.head)
        angles = torch.outer(torch.arange(shape.positions).float(), frequencies).repeat(1, 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def hidden(self, ids: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
        """(batch, length) token ids to (batch, length, width) after the final norm. Rows are padded
        behind, where a causal network does not look."""
        length = ids.shape[1]
        x = F.dropout(self.emb(ids), drop, self.training)
        for block in self.blocks:
            x = block(x, self.cos[:length], self.sin[:length], drop)
        return F.rms_norm(x, (self.shape.width,), self.nf, self.shape.epsilon)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden @ self.emb.weight.t()

    def under_hf_names(self) -> dict[str, torch.Tensor]:
        """The weights by the names of Hugging Face's LlamaForCausalLM."""
        s = self.shape
        named = {"model.embed_tokens.weight": self.emb.weight, "model.norm.weight": self.nf}
        for number, block in enumerate(self.blocks):
            at = f"model.layers.{number}."
            kv = s.kv_heads * s.head
            q, k, v = block.qkv.weight.split([s.heads * s.head, kv, kv])
            gate, up = block.gu.weight.chunk(2)
            named |= {
                at + "self_attn.q_proj.weight": q,
                at + "self_attn.k_proj.weight": k,
                at + "self_attn.v_proj.weight": v,
                at + "self_attn.o_proj.weight": block.o.weight,
                at + "mlp.gate_proj.weight": gate,
                at + "mlp.up_proj.weight": up,
                at + "mlp.down_proj.weight": block.dn.weight,
                at + "input_layernorm.weight": block.n1,
                at + "post_attention_layernorm.weight": block.n2,
            }
        return {name: weight.detach().clone().contiguous() for name, weight in named.items()}


def save(network: Network, file: str) -> None:
    torch.save({"shape": asdict(network.shape), "state": network.state_dict()}, file)


def load(file: str) -> Network:
    kept = torch.load(file)
    network = Network(Shape(**kept["shape"]))
    network.load_state_dict(kept["state"])
    return network.eval()
