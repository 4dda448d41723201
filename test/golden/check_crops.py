#!/usr/bin/env python3
"""Compares 10,000 random crops with Pillow's, byte for byte: resize, then crop in the middle, as transformers and torchvision do.

    npm run build && venv/bin/pip install pillow==13.0.0 numpy && venv/bin/python test/golden/check_crops.py [count] [seed]

Like Pillow 13, this package takes the rows first for some pictures; earlier versions of Pillow differ there by some levels.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
FILTERS = {'nearest': 0, 'lanczos': 1, 'bilinear': 2, 'bicubic': 3, 'box': 4, 'hamming': 5}
rng = np.random.default_rng(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
node = subprocess.Popen(
    ['node', Path(__file__).with_name('answers.mjs'), 'crops'], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)


def even(x):
    return int(round(x))


def expected(image, size, fit, to, rounding, code):
    """`size`: of the crop; `to`: of the short side, or of both."""
    w, h = image.size
    short = min(w, h)
    resized = (to, to) if fit == 'squash' else tuple(to if x == short else int(to * x / short) for x in (w, h))
    image = image.resize(resized, code)
    left, top = [(even if rounding == 'even' else int)((x - size) / 2) for x in resized]
    return np.asarray(image.crop((left, top, left + size, top + size))).tobytes()


differ = {}
for n in range(COUNT):
    width, height = (int(x) for x in rng.integers(1, 501, 2))
    name = ['bicubic', 'bilinear', *FILTERS][rng.integers(0, 8)]
    size = int(rng.choice([32, 64, 96, 224]))
    to = size + int(rng.choice([0, 0, 9, 32]))
    fit, rounding = str(rng.choice(['crop', 'squash'])), str(rng.choice(['even', 'down']))
    pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
    want = expected(Image.fromarray(pixels), size, fit, to, rounding, FILTERS[name])
    case = dict(width=width, height=height, size=size, fit=fit, resizeTo=to, rounding=rounding, filter=name, divisor=255)
    node.stdin.write(json.dumps(case).encode() + b'\n' + pixels.tobytes())
    node.stdin.flush()
    got = node.stdout.read(len(want))
    if got != want:
        levels = np.abs(np.frombuffer(got, np.uint8).astype(int) - np.frombuffer(want, np.uint8))
        differ.setdefault(name, []).append((width, height, to, fit, int(levels.max()), int((levels > 0).sum())))
print(f'Pillow {PIL.__version__}: {COUNT - sum(map(len, differ.values()))} of {COUNT} crops are equal')
for name, cases in differ.items():
    print(f'{name}: {len(cases)} differ, (width, height, resized to, fit, worst level, bytes):', *cases[:5])
node.stdin.close()
