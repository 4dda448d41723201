#!/usr/bin/env python3
"""Records what PyTorch computes from the files of models/starter: embeddings of pictures and texts, and token numbers.

    python test/golden/record_starter.py        (torch, numpy, pillow, safetensors and tokenizers from PyPI)

Pixels come from Pillow. Photographs of ../shared/photos are recorded by name and digest only, because they may not be
part of the repository; a test that needs them is skipped where they are missing.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer

REPOSITORY = Path(__file__).resolve().parents[2]
STARTER = REPOSITORY / 'models' / 'starter'
PHOTOS = REPOSITORY / '..' / 'shared' / 'photos'
PHOTO_COUNT = 50
sys.path.insert(0, str(STARTER))

from recipe import files, minilm  # noqa: E402
from recipe.views import plain, tensor  # noqa: E402

FIXTURES = [
    'bilevel.png', 'exact.png', 'frame.gif', 'grey.jpg', 'grey.png', 'half-pixel-crop.png', 'lossless.webp', 'odd.jpg',
    'one-pixel.png', 'page.tiff', 'palette.png', 'progressive.jpg', 'rgb.png', 'tall-strip.png', 'wide-strip.png',
]  # fmt: skip
TEXTS = [
    'a photo of a cat', 'a photo of a CAT', 'cat', 'cats', 'a photo of an astronaut', 'a red car', 'people at a party',
    'screenshot of a chat', 'aeroplane', 'airplane', 'colour', 'color', 'a photo of a yoghurt', 'a photo of a yogurt',
    'a cup of coffee, from above', 'São Paulo at night', "a dog's breakfast", 'Pneumonoultramicroscopicsilicovolcanoconiosis',
    'a photo of a 猫', '🚀', '', ' spaces   and\ttabs ', '3.5 mm jack (male)', 'word ' * 80,
]  # fmt: skip


def picture(path, name):
    image = Image.open(path)
    return {'name': name, 'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}, tensor(plain(image.convert('RGB')))


@torch.no_grad()
def main():
    model = files.read(STARTER)
    tokenizer = Tokenizer.from_file(str(STARTER / 'tokenizer.json'))
    paths = [(path, f'examples/{path.name}') for path in sorted((REPOSITORY / 'examples').glob('*.jpg'))]
    paths += [(REPOSITORY / 'test/fixtures/images' / name, f'test/fixtures/images/{name}') for name in FIXTURES]
    paths += [(path, f'../shared/photos/{path.name}') for path in sorted(PHOTOS.glob('*.JPEG'))[:PHOTO_COUNT]]
    pictures, vectors = [], []
    for path, name in paths:
        entry, pixels = picture(path, name)
        pictures.append(entry)
        vectors.append(model.visual(torch.from_numpy(pixels[None]))[0])
    texts = [{'text': text, 'ids': minilm.batch(tokenizer, [text])[0][0].tolist()} for text in TEXTS]
    text_vectors = minilm.vectors(model.text, tokenizer, TEXTS)
    for entry, vector in zip([*pictures, *texts], [*vectors, *text_vectors], strict=True):
        entry['embedding'] = np.round(vector.numpy().astype(float), 7).tolist()
    recorded = {
        'source': f'PyTorch {torch.__version__}, float32, from models/starter/model.safetensors',
        'sha256': hashlib.sha256((STARTER / 'model.safetensors').read_bytes()).hexdigest(),
        'tolerance': 1e-5,
        'logit_scale': model.logit_scale.exp().item(),
        'pictures': pictures,
        'texts': texts,
    }
    target = Path(__file__).with_name('starter.json')
    entries = ',\n'.join(f'  {json.dumps(key)}: {rows(value)}' for key, value in recorded.items())
    target.write_text(f'{{\n{entries}\n}}\n')


def rows(value):
    """A list with one entry on each line."""
    if not isinstance(value, list):
        return json.dumps(value)
    return '[\n' + ',\n'.join(f'    {json.dumps(entry)}' for entry in value) + '\n  ]'


if __name__ == '__main__':
    main()
