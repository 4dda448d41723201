#!/usr/bin/env python3
"""Record scipy's Wilson intervals and exact McNemar p-values (a two-sided binomial test of the discordant pairs).

    pip install scipy
    python3 test/golden/record_intervals.py

Writes intervals.json beside this file.
"""
import json
from pathlib import Path

import scipy
from scipy.stats import binomtest

wilson = []
for right, images in [(0, 1), (1, 1), (0, 10), (7, 10), (10, 10), (5, 9), (433, 600), (9999, 10000)]:
    interval = binomtest(right, images).proportion_ci(confidence_level=0.95, method='wilson')
    wilson.append({'right': right, 'images': images, 'low': interval.low, 'high': interval.high})
mcnemar = [
    {'a': a, 'b': b, 'p': binomtest(a, a + b).pvalue if a + b else 1.0}
    for a, b in [(0, 0), (1, 0), (5, 5), (10, 2), (0, 8), (30, 45), (400, 480), (900, 1200)]
]
Path(__file__).with_name('intervals.json').write_text(
    json.dumps({'source': f'scipy {scipy.__version__}', 'wilson': wilson, 'mcnemar': mcnemar}, indent=1) + '\n'
)
