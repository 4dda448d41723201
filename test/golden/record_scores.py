#!/usr/bin/env python3
"""Record what PyTorch makes of the embeddings in models.json; the tests of scores with a background compare with it.

    pip install torch
    python3 test/golden/record_scores.py

Writes scores.json beside this file. Two labels, the second with two whole prompts, are scored against two backgrounds.
The sigmoid of a CLIP, which has no bias, is the softmax over two: the label and the greater background.
"""
import json
from pathlib import Path

import torch

HERE = Path(__file__).parent
LABELS = [
    {'label': 'cat'},
    {'label': 'animal', 'prompts': ['the cat in a very bright street.', 'a photo of a small bird']},
]
BACKGROUNDS = ['a photo of a house & tree', 'the house & tree in a very bright street.']
MODELS = ['tiny-class', 'tiny-2d-mean-bf16', 'tiny-siglip']


def unit(rows):
    return rows / rows.norm(dim=-1, keepdim=True)


def scores_of(case):
    tensor = lambda values: torch.tensor(values, dtype=torch.float64)
    texts = dict(zip(case['prompts'], unit(tensor(case['text_embeds']))))
    labels = unit(torch.stack([
        texts['a photo of a cat'],
        torch.stack([texts[prompt] for prompt in LABELS[1]['prompts']]).mean(0),
    ]))
    background = torch.stack([texts[prompt] for prompt in BACKGROUNDS])
    images = unit(tensor(case['image_embeds']))
    label_logits = case['logit_scale'] * images @ labels.t()
    background_logits = case['logit_scale'] * images @ background.t()
    recorded = lambda kind, labels, background: {
        'model': case['model'], 'files': case['files'], 'kind': kind,
        'scores': labels.tolist(), 'background': background.tolist(),
    }
    if case['logit_bias'] != 0:
        sigmoid = lambda logits: (logits + case['logit_bias']).sigmoid()
        return [recorded('sigmoid', sigmoid(label_logits), sigmoid(background_logits).max(1).values)]
    shares = torch.cat([label_logits, background_logits], 1).softmax(1)
    greatest = background_logits.max(1, keepdim=True).values
    pairs = torch.stack([label_logits, greatest.expand_as(label_logits)], 2)
    return [
        recorded('softmax', shares[:, :2], shares[:, 2:].max(1).values),
        recorded('sigmoid', pairs.softmax(2)[..., 0], torch.full((len(images),), 0.5)),
    ]


def main():
    cases = json.loads((HERE / 'models.json').read_text())['cases']
    golden = {
        'source': f'PyTorch {torch.__version__}, float64, from the embeddings in models.json',
        'labels': LABELS, 'backgrounds': BACKGROUNDS,
        'cases': [recorded for case in cases if case['model'] in MODELS for recorded in scores_of(case)],
    }
    (HERE / 'scores.json').write_text(json.dumps(golden, indent=1) + '\n')


if __name__ == '__main__':
    main()
