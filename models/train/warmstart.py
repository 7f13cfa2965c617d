"""Where the embedding begins.

Its first dimensions are what a linear model of single tokens knows, one for the verdict and one for each
category; the others are what the tokens mean (`meanings.py`), so that words the corpus never had stand
near those it had.
"""

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier

import corpus
import network
from template import Prompts

LONGEST = 256
# Standard deviations of the two kinds of dimensions.
SPREAD, MEANT = 0.1, 0.05


def warm(
    guard: network.Network,
    prompts: Prompts,
    rows: list[corpus.Row],
    indices: list[int],
    meanings: np.ndarray,
):
    indices = [index for index in indices if corpus.is_prompt(rows[index])]
    columns, ends = [], [0]
    for index in indices:
        tokens = prompts.content(corpus.text(rows[index]))[:LONGEST]
        columns += sorted(set(tokens))
        ends.append(len(columns))
    ones = np.ones(len(columns), dtype=np.float32)
    counts = csr_matrix((ones, columns, ends), shape=(len(indices), prompts.size))
    counts = counts.multiply(1 / np.sqrt(np.maximum(1, counts.sum(1)))).tocsr()
    labels = np.array([rows[index]["unsafe"] for index in indices])
    weights = [*linear(counts, labels)]
    known = [at for at, index in enumerate(indices) if labels[at] and rows[index]["categories"]]
    categories = np.array([int(rows[indices[at]]["categories"][0][1:]) for at in known])
    weights += [*linear(counts[known], categories)]
    table = np.array(weights).T
    table = table / table.std(0) * SPREAD
    table = np.hstack([table, meanings * MEANT])
    with torch.no_grad():
        guard.emb.weight[:, : table.shape[1]] = torch.tensor(table, dtype=torch.float32)


def linear(counts: csr_matrix, labels: np.ndarray) -> np.ndarray:
    model = SGDClassifier(
        loss="log_loss", alpha=1e-5, max_iter=8, tol=None, average=True, random_state=0
    )
    return model.fit(counts, labels).coef_
