"""How much of the accuracy on CIFAR-10 is owed to test pictures that resemble a training picture."""

import json

import torch
from safetensors.torch import load_file

from .image_tower import embed_pictures
from .log import log
from .model import CLIP
from .pictures import fingerprints, load_pixels, near_duplicates, read_set
from .prompts import embed_names

LOOSE = 0.95  # cosine of thumbnails: CIFAR-10's known near-duplicates, and pictures that are merely alike


def report_overlap(args):
    """Prints the exported model's accuracy on cifar10-test with and without pictures that resemble a training one."""
    model = CLIP()
    model.load_state_dict({n: p.float() for n, p in load_file(args.out / 'model.safetensors').items()})
    tokenizer = json.loads((args.out / 'tokenizer.json').read_text())
    test, train = [load_pixels(args.data, args.cache, name) for name in ('cifar10-test', 'cifar10-train')]
    _, labels, names = read_set(args.data, 'cifar10-test')
    cosines = embed_pictures(model.eval(), test, 'cpu') @ embed_names(model, tokenizer, [n[0] for n in names]).T
    right = (cosines.argmax(1) == torch.from_numpy(labels)).numpy()
    alike = near_duplicates(test, [fingerprints(train)], threshold=LOOSE)
    log(f'cifar10-test {right.mean():.4f}; without {alike.sum()} alike to a training picture {right[~alike].mean():.4f}')
