"""What rouge-score and scikit-learn say of answers and classes, for benchmarks/checkAnswers.mjs.

`ANSWERS CLASSES PAIRS`: files that `fedtune eval --out` wrote, and rows of `answer` and `reference`; the last line of stdout is JSON.
"""

from __future__ import annotations

import json
import sys

from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import accuracy_score, f1_score


def read(path: str) -> list:
    return [json.loads(line) for line in open(path, encoding="utf-8")]


def rouge(pairs: list) -> dict:
    scorer = RougeScorer(["rouge1", "rougeL"])
    scores = [scorer.score(reference, answer) for answer, reference in pairs]
    return {key: [score[key].fmeasure for score in scores] for key in ("rouge1", "rougeL")}


answers, classes, pairs = (read(path) for path in sys.argv[1:4])
right, picked = zip(*[(one["answer"], one["answers"]["base"]["picked"]) for one in classes])
print(
    json.dumps(
        {
            "pairs": rouge([(one["answer"], one["reference"]) for one in pairs]),
            "written": rouge([(one["answers"]["base"]["text"], one["reference"]) for one in answers]),
            "accuracy": accuracy_score(right, picked),
            "macro_f1": f1_score(right, picked, average="macro", zero_division=0),
        }
    )
)
