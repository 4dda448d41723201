#!/usr/bin/env python3
"""Record what scikit-learn and numpy make of made-up scores; the tests of `eval` compare with it.

    pip install scikit-learn
    python3 test/golden/record_evaluation.py

Writes evaluation.json beside this file. Seeded; a second run on the versions named in the file changes nothing.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import confusion_matrix, precision_score, recall_score, top_k_accuracy_score

LABELS = ['ant', 'bee', 'cat', 'dog', 'elk', 'fox', 'gnu']
BINS = 15


def expected_calibration_error(best, right):
    """Guo et al. 2017, equations 2 and 3: bins (m - 1, m] / 15 of the best score."""
    edges = np.linspace(0, 1, BINS + 1)
    which = np.digitize(best, edges[1:-1], right=True)
    error = 0.0
    for m in range(BINS):
        inside = which == m
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - best[inside].mean())
    return error, np.bincount(which, minlength=BINS).tolist()


def case(name, images, sharpness, classes, seed):
    """Scores that lean towards the truth; only the first `classes` labels are ever true."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, images)
    logits = rng.normal(0, 1, (images, len(LABELS)))
    logits[np.arange(images), truth] += 1
    scores = np.exp(sharpness * logits)
    scores = (scores / scores.sum(1, keepdims=True)).round(6)
    best = scores.argmax(1)
    ece, counts = expected_calibration_error(scores.max(1), best == truth)
    labels = np.arange(len(LABELS))
    return {
        'name': name,
        'truth': truth.tolist(),
        'scores': scores.tolist(),
        'top1': top_k_accuracy_score(truth, scores, k=1, labels=labels),
        'top5': top_k_accuracy_score(truth, scores, k=5, labels=labels),
        # over the classes that are there: a class without images has no recall
        'meanPerClassRecall': recall_score(truth, best, labels=np.unique(truth), average='macro'),
        'precision': precision_score(truth, best, labels=labels, average=None, zero_division=0).tolist(),
        'confusion': confusion_matrix(truth, best, labels=labels).tolist(),
        'ece': ece,
        'bins': counts,
    }


cases = [case('every class', 120, 1, 7, 1), case('overconfident', 120, 4, 7, 2), case('three classes alone', 60, 2, 3, 3)]
source = f'scikit-learn {sklearn.__version__}, numpy {np.__version__}'
golden = {'source': source, 'labels': LABELS, 'cases': cases}
Path(__file__).with_name('evaluation.json').write_text(json.dumps(golden) + '\n')
