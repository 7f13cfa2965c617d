"""Makes tokenizer.json: a byte-level BPE vocabulary of the corpus, after a normalisation that undoes
the cheap disguises (compatibility forms, invisible characters, look-alike letters, capitals)."""

import argparse
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

import corpus
import template

INVISIBLE = (
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
LOOK_ALIKES = [
    ("[\u0430\u03b1\u0251]", "a"), ("[\u0435\u0451]", "e"), ("[\u043e\u03bf]", "o"),
    ("[\u0440\u03c1]", "p"), ("[\u0441\u03f2]", "c"), ("\u0445", "x"), ("\u0443", "y"),
    ("[\u0456\u0131\u03b9]", "i"), ("\u0455", "s"), ("\u0458", "j"), ("\u04bb", "h"),
    ("\u0501", "d"), ("\u0261", "g"), ("\u043a", "k"), ("\u043c", "m"), ("\u0442", "t"),
]
WORDS = (
    r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Rows of one source and label that the vocabulary is made from.
CAP = 4000


def texts(folder: Path) -> list[str]:
    rng, picked = random.Random(1), []
    rows = [row for row in corpus.read(folder, "train") if row["source"] not in corpus.LEFT_OUT]
    for indices in corpus.by_source(rows, list(range(len(rows)))).values():
        rng.shuffle(indices)
        picked += [m["content"] for index in indices[:CAP] for m in rows[index]["messages"]]
    # The words of the verdict and the numbers of the categories must be one token each.
    words = ["safe", "unsafe", "unsafe\nS", *(f"S{number}" for number in range(1, 12))]
    picked += [word for word in words for _ in range(200)]
    return picked + [str(number) for number in range(1, 12) for _ in range(3000)]


def make(folder: Path, size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.NFKC(),
        normalizers.Replace(Regex(INVISIBLE), ""),
        normalizers.Lowercase(),
        *(normalizers.Replace(Regex(found), letter) for found, letter in LOOK_ALIKES),
    ])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(WORDS), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=3,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(folder), trainer)
    constants = [AddedToken(text, special=True, normalized=False) for text in template.CONSTANTS]
    tokenizer.add_special_tokens(constants)
    return tokenizer


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--size", type=int, default=24576)
    arguments.add_argument("--out", type=Path, required=True)
    given = arguments.parse_args()
    make(given.data, given.size).save(str(given.out), pretty=False)
    template.Prompts(str(given.out))  # fails unless every word it needs is one token
