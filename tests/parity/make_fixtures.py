"""Makes the fixtures of tests/parity.rs: tiny random checkpoints with transformers' logits.

    python tests/parity/make_fixtures.py            # the fixtures
    python tests/parity/make_fixtures.py --guard    # a random stand-in for models/embedded-guard

Needs torch, transformers and tokenizers. Seeds are fixed; the numbers still differ in the last
digits from one version of torch to the next, so the fixtures are committed.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedModel,
    Qwen3Config,
)

HERE = Path(__file__).resolve().parent
LENGTHS = [1, 2, 7, 33]
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizer() -> Tokenizer:
    """Byte-level BPE whose only merges make the words a verdict is read from."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {symbol: index for index, symbol in enumerate(alphabet)}
    merges = []

    def merge(*pieces: str) -> None:
        for left, right in zip(pieces[::2], pieces[1::2]):
            if left + right not in vocab:
                vocab[left + right] = len(vocab)
                merges.append((left, right))

    merge("s", "a", "f", "e", "sa", "fe", "u", "n", "un", "safe")
    merge("1", "0", "1", "1", "Ċ", "Ċ", "Ġ", "t", "Ġt", "h", "Ġth", "e", "i", "n", "e", "r")
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken("<|begin_of_text|>", special=True)])
    return made


def model(seed: int, vocab: int = 384, kind=LlamaConfig, **config) -> PreTrainedModel:
    torch.manual_seed(seed)
    config = kind(vocab_size=vocab, attn_implementation="eager", **config)
    made = AutoModelForCausalLM.from_config(config)
    # Gemma's norms count from one.
    least = -0.5 if kind is Gemma2Config else 0.5
    with torch.no_grad():
        # The library's own start is so small that wrong attention would hardly show.
        for name, parameter in made.named_parameters():
            if "norm" in name:
                parameter.uniform_(least, least + 1.0)
            else:
                parameter.normal_(0.0, 0.15)
    return made.eval()


def record(folder: Path) -> None:
    """The logits at all positions of random sequences, in f32, from the files as they are."""
    made = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    generator = torch.Generator().manual_seed(7)
    tensors = {}
    for length in LENGTHS:
        ids = torch.randint(0, 384, (length,), generator=generator)
        with torch.no_grad():
            tensors[f"logits.{length}"] = made(ids[None]).logits[0].contiguous()
        tensors[f"ids.{length}"] = ids
    save_file(tensors, folder / "expected.safetensors")


def save(made: PreTrainedModel, folder: Path, dtype: torch.dtype, shard: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made.to(dtype).save_pretrained(folder, max_shard_size=shard)
    (folder / "generation_config.json").unlink(missing_ok=True)
    record(folder)


def fixtures() -> None:
    out = HERE / "fixtures"
    out.mkdir(exist_ok=True)
    tokenizer().save(str(out / "tokenizer.json"))

    shape = dict(hidden_size=64, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96)
    plain = {"rope_type": "default", "rope_theta": 500000.0}
    made = model(
        1, **shape, num_hidden_layers=3, rope_parameters=plain, max_position_embeddings=4096
    )
    save(made, out / "plain", torch.float16, "1GB")
    # The form that transformers 4 wrote.
    path = out / "plain" / "config.json"
    config = json.loads(path.read_text())
    del config["rope_parameters"]
    config |= {"rope_theta": 500000.0, "rope_scaling": None}
    path.write_text(json.dumps(config, indent=2) + "\n")
    record(out / "plain")

    # An original length so short that all three branches of the stretch are taken.
    stretched = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 128,
    }
    made = model(
        2,
        **shape,
        num_hidden_layers=2,
        rope_parameters=stretched,
        tie_word_embeddings=True,
        max_position_embeddings=1024,
    )
    save(made, out / "stretched", torch.bfloat16, "1GB")

    made = model(
        3,
        hidden_size=32,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=128,
        intermediate_size=64,
        num_hidden_layers=1,
        rope_parameters=plain,
        max_position_embeddings=1024,
    )
    save(made, out / "sharded", torch.float32, "100KB")
    kin(out)


def kin(out: Path) -> None:
    """What is made like Llama: widths that differ, so that none can stand for another."""
    shape = dict(hidden_size=48, num_attention_heads=4, num_key_value_heads=2, intermediate_size=64)
    shape |= dict(num_hidden_layers=3, head_dim=16, max_position_embeddings=1024)
    plain = {"rope_type": "default", "rope_theta": 10000.0}
    made = model(5, kind=MistralConfig, **shape, rope_parameters=plain, sliding_window=512)
    save(made, out / "mistral", torch.bfloat16, "1GB")
    made = model(6, kind=Qwen3Config, **shape, rope_parameters=plain, tie_word_embeddings=True)
    save(made, out / "qwen3", torch.bfloat16, "1GB")
    # Caps so low that they bend what is there, and a scale that is not a head's.
    caps = dict(attn_logit_softcapping=3.0, final_logit_softcapping=5.0, query_pre_attn_scalar=9)
    made = model(7, kind=Gemma2Config, **shape, rope_parameters=plain, sliding_window=512, **caps)
    save(made, out / "gemma2", torch.bfloat16, "1GB")


def guard() -> None:
    """A guard of random weights that still answers with the two words, to build the crate with."""
    out = HERE.parent.parent / "models" / "embedded-guard"
    out.mkdir(parents=True, exist_ok=True)
    words = tokenizer()
    words.save(str(out / "tokenizer.json"))
    made = model(
        4,
        hidden_size=32,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=64,
        num_hidden_layers=2,
        rope_parameters={"rope_type": "default", "rope_theta": 500000.0},
        max_position_embeddings=8192,
    )
    with torch.no_grad():
        # One of two opposite rows always wins, by far.
        row = torch.randn(32) * 20
        made.lm_head.weight.zero_()
        made.lm_head.weight[words.token_to_id("safe")] = row
        made.lm_head.weight[words.token_to_id("unsafe")] = -row
        for code in range(1, 12):
            made.lm_head.weight[words.token_to_id(str(code))] = torch.randn(32) * 0.2
    made.save_pretrained(out)
    (out / "generation_config.json").unlink(missing_ok=True)
    window = {"content": 2048, "overlap": 256, "context": 1024}
    (out / "manifest.json").write_text(json.dumps({"window": window}, indent=2) + "\n")


if __name__ == "__main__":
    guard() if "--guard" in sys.argv[1:] else fixtures()
