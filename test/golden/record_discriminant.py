#!/usr/bin/env python3
"""Record what scikit-learn's linear discriminant analysis makes of made-up embeddings; the tests of `learn` compare with it.

    pip install scikit-learn
    python3 test/golden/record_discriminant.py

Writes discriminant.json beside this file. Seeded; a second run on the versions named in the file changes nothing.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

WIDTH = 12
COUNTS = [9, 2, 3, 7, 4, 2, 10]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


rng = np.random.default_rng(29)
classes = np.repeat(np.arange(len(COUNTS)), COUNTS)
centres = rng.normal(0, 1, (len(COUNTS), WIDTH))
pictures = unit(centres[classes] + rng.normal(0, 0.7, (len(classes), WIDTH))).astype(np.float32)
probes = unit(rng.normal(0, 1, (5, WIDTH))).astype(np.float32)
cases = []
for shrinkage in [0.1, 0.5, 0.9]:
    lda = LinearDiscriminantAnalysis(solver='lsqr', shrinkage=shrinkage).fit(pictures.astype(float), classes)
    scores = lda.decision_function(probes.astype(float)) - np.log(lda.priors_)
    cases.append({'shrinkage': shrinkage, 'scores': scores.round(8).tolist()})
Path(__file__).with_name('discriminant.json').write_text(
    json.dumps(
        {
            'source': f'scikit-learn {sklearn.__version__}, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=γ)',
            'width': WIDTH,
            'classes': classes.tolist(),
            'pictures': pictures.flatten().tolist(),
            'probes': probes.flatten().tolist(),
            'cases': cases,
        }
    )
    + '\n'
)
