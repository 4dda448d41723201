#!/usr/bin/env python3
"""Compare exported graphs with the rows of classify, in Python's onnxruntime.

    pip install onnxruntime pillow numpy
    clip-classify learn photos/ -o kinds.clf.json --export head.onnx --export whole.onnx
    clip-classify embed test/ -o test.npy
    clip-classify test/ -l @kinds.clf.json -k all -f jsonl -o rows.jsonl
    python3 test/golden/check_exports.py head.onnx whole.onnx test.npy rows.jsonl
"""
import json
import sys

import numpy as np
import onnxruntime as ort

head, whole, embeddings, rows = sys.argv[1:]
session = ort.InferenceSession(head)
labels = json.loads(session.get_modelmeta().custom_metadata_map['labels'])
expected = []
for line in open(rows):
    scores = {one['label']: one['score'] for one in json.loads(line)['labels']}
    expected.append([scores[label] for label in labels])
expected = np.array(expected)
embeds = np.load(embeddings)
ours = session.run(['probabilities'], {'image_embeds': embeds})[0]
print('head: greatest difference', np.abs(ours - expected).max())

session = ort.InferenceSession(whole)
pixels = session.get_inputs()[0]
rng = np.random.default_rng(0)
batch = rng.normal(0, 1, [2, *pixels.shape[1:]]).astype(np.float32)
image_embeds, probabilities = session.run(['image_embeds', 'probabilities'], {pixels.name: batch})
again = ort.InferenceSession(head).run(['probabilities'], {'image_embeds': image_embeds})[0]
print('whole against head: greatest difference', np.abs(probabilities - again).max())
