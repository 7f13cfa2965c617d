"""Writes fixtures.json: labels and scores of our own random numbers, and what scikit-learn makes of them.

    pip install scikit-learn==1.9.1 scipy && python tests/metrics/make_fixtures.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)


def case(name: str, labels: np.ndarray, scores: np.ndarray, threshold: float = 0.5) -> dict:
    """Scores are rounded to single precision first, which is what a guard gives."""
    scores = scores.astype(np.float32)
    flagged = scores >= np.float32(threshold)
    tn, fp, fn, tp = confusion_matrix(labels, flagged, labels=[False, True]).ravel()
    both = labels.any() and not labels.all()
    expected = {
        "tp": int(tp), "fp": int(fp), "fn": int(fn), "tn": int(tn),
        "f1": f1_score(labels, flagged, zero_division=0.0),
        "precision": precision_score(labels, flagged) if flagged.any() else None,
        "recall": recall_score(labels, flagged) if labels.any() else None,
        "fpr": fp / (fp + tn) if not labels.all() else None,
        "auprc": average_precision_score(labels, scores) if labels.any() else None,
        "auroc": roc_auc_score(labels, scores) if both else None,
    }
    return {
        "name": name, "threshold": threshold,
        "labels": [int(label) for label in labels],
        "scores": [float(score) for score in scores],
        "expected": {key: None if value is None else value if isinstance(value, int) else float(value)
                     for key, value in expected.items()},
    }


def main() -> None:
    rng = np.random.default_rng(20)
    labels = rng.random(300) < 0.3
    scores = np.clip(rng.normal(0.3, 0.2, 300) + 0.3 * labels, 0, 1)
    few = rng.random(40) < 0.5
    cases = [
        case("plain", labels, scores),
        case("another threshold", labels, scores, 0.8),
        case("ties in steps of a tenth", labels, np.round(scores, 1)),
        case("ties in steps of a quarter, at the threshold too", labels, np.round(scores * 4) / 4),
        case("every score the same", few, np.full(40, 0.5)),
        case("two scores", few, np.where(rng.random(40) < 0.5, 0.0, 1.0)),
        case("perfect", few, few.astype(float)),
        case("all the wrong way round", few, 1.0 - few.astype(float)),
        case("only unsafe", np.ones(20, bool), rng.random(20)),
        case("only safe", np.zeros(20, bool), rng.random(20)),
        case("one text", np.ones(1, bool), np.array([0.7])),
        case("rare", np.arange(400) % 80 == 0, np.round(rng.random(400), 2)),
    ]
    # A line a case, so that a changed one shows.
    text = "[\n" + ",\n".join(json.dumps(each) for each in cases) + "\n]\n"
    Path(__file__).with_name("fixtures.json").write_text(text)


if __name__ == "__main__":
    main()
