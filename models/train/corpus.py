"""Reading the corpus: JSON lines, gzipped, one conversation a row with its label and source."""

import gzip
import hashlib
import json
import random
from pathlib import Path

# Sources under share-alike licences, and one that changes nothing, stay out of weights that ship.
# Whether advice is unsafe shows in the answer, not in the question, so S5 prompts are left out, too.
LEFT_OUT = ("nq-open", "dolly-resp", "dolly-safety", "mitre-frr")

# No more rows than this of one source and label in one epoch.
CAP = 2500

Row = dict


def read(folder: Path, name: str) -> list[Row]:
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def is_prompt(row: Row) -> bool:
    return row["messages"][-1]["role"] == "user"


def text(row: Row) -> str:
    """The judged text: the last message."""
    return row["messages"][-1]["content"]


def asked(row: Row) -> str | None:
    """What the judged text answers, where it is an answer; empty where nobody knows."""
    if is_prompt(row):
        return None
    return row["messages"][0]["content"] if len(row["messages"]) > 1 else ""


def trained_on(row: Row) -> bool:
    return row["source"] not in LEFT_OUT and not row["source"].endswith("-s5")


def digest(content: str) -> int:
    """A number that depends on the text alone, to split rows so that equal texts stay together."""
    return int.from_bytes(hashlib.sha256(f"0|{content}".encode()).digest()[:8], "big")


def split(rows: list[Row]) -> tuple[list[int], list[int]]:
    """Indices to train on, and one in 25 to look at while training."""
    usable = [index for index, row in enumerate(rows) if trained_on(row)]
    held = [index for index in usable if digest(text(rows[index])) % 25 == 0]
    taken = set(held)
    return [index for index in usable if index not in taken], held


def by_source(rows: list[Row], indices: list[int]) -> dict[tuple[str, bool], list[int]]:
    groups: dict[tuple[str, bool], list[int]] = {}
    for index in indices:
        row = rows[index]
        groups.setdefault((row["source"], row["unsafe"]), []).append(index)
    return dict(sorted(groups.items()))


def epoch(groups: dict[tuple[str, bool], list[int]], rng: random.Random) -> list[int]:
    """At most CAP rows of each source and label, others each time."""
    picked = []
    for indices in groups.values():
        picked += rng.sample(indices, min(CAP, len(indices)))
    return picked
