"""The linear teacher: hashed n-grams of words and characters, logistic regression.

Each row's score comes of a model that has not seen the row (five folds by the text's digest), so that
a network can learn from it where labels are noisy. Also the mark to beat.
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import average_precision_score, f1_score

import corpus

FOLDS = 5
BUCKETS = 2**18
# Characters of a text that count.
LONGEST = 2000


def features(rows: list[corpus.Row]) -> csr_matrix:
    texts = [corpus.text(row)[:LONGEST] for row in rows]
    words = HashingVectorizer(n_features=BUCKETS, ngram_range=(1, 2), alternate_sign=False)
    letters = HashingVectorizer(
        n_features=BUCKETS, analyzer="char_wb", ngram_range=(3, 5), alternate_sign=False
    )
    return hstack([words.transform(texts), letters.transform(texts)]).tocsr()


def weights(rows: list[corpus.Row]) -> np.ndarray:
    counts: dict[tuple[str, bool], int] = {}
    for row in rows:
        key = (row["source"], row["unsafe"])
        counts[key] = counts.get(key, 0) + 1
    return np.array([min(1, corpus.CAP / counts[row["source"], row["unsafe"]]) for row in rows])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True, help="an .npz of indices and scores")
    given = arguments.parse_args()

    train = corpus.read(given.data, "train")
    usable = [i for i, row in enumerate(train) if corpus.trained_on(row) and corpus.is_prompt(row)]
    rows = [train[index] for index in usable]
    held = [row for row in corpus.read(given.data, "heldout") if corpus.is_prompt(row)]
    x, y, w = features(rows), np.array([row["unsafe"] for row in rows]), weights(rows)
    x_held, y_held = features(held), np.array([row["unsafe"] for row in held])
    fold = np.array([corpus.digest(corpus.text(row)) % FOLDS for row in rows])
    scores, held_scores = np.zeros(len(rows)), np.zeros(len(held))
    for number in range(FOLDS):
        model = SGDClassifier(
            loss="log_loss", alpha=2e-6, max_iter=12, tol=None, random_state=number, average=True
        )
        model.fit(x[fold != number], y[fold != number], sample_weight=w[fold != number])
        scores[fold == number] = model.predict_proba(x[fold == number])[:, 1]
        held_scores += model.predict_proba(x_held)[:, 1] / FOLDS
    np.savez(given.out, indices=np.array(usable), scores=scores)
    flagged = held_scores > 0.5
    print(
        f"held-out: AUPRC {average_precision_score(y_held, held_scores):.4f}"
        f" F1 {f1_score(y_held, flagged):.4f} FPR {flagged[~y_held].mean():.4f}"
    )


if __name__ == "__main__":
    main()
