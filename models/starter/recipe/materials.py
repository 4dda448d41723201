"""What every stage needs: the trunk's classifier, the text encoder as it is shipped, and the text vectors of all names."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from . import files, minilm
from .ancestors import Ancestry
from .classnames import class_names
from .packs import TESTS, USED, read_pack
from .wordnet import narrower
from .trunk import published_weights
from .words import UNCHANGED, Words


def as_shipped(encoder):
    """The text encoder with its matrices rounded to 8 bits and back."""
    state = encoder.state_dict()
    for name, weight in state.items():
        if files.is_int8(f'text.{name}'):
            integers, scale = files.rounded(weight)
            state[name] = integers.float() * scale[:, None]
    encoder.load_state_dict(state)
    return encoder


def background_prompts():
    """The product's neutral prompts, for pictures of something that no label names."""
    prompts = Path(__file__).resolve().parents[2] / 'prompts.json'
    return json.loads(prompts.read_text())['background']['prompts']


def all_names(folder):
    names = [name for names in class_names() for name in names]
    for pack in [read_pack(folder, name) for name in [*USED, *TESTS]]:
        names += [name for words in [*pack.classes, *pack.broader] for name in words]
    labels = json.loads((folder / 'eval-labels.json').read_text())
    return [*names, *background_prompts(), *labels['cifar10']['names'], *labels['cifar10']['synonyms'], *labels['tiny-imagenet-groups']]


class Materials:
    def __init__(self, folder, cache):
        self.folder, self.cache = folder, cache
        self.trunk = published_weights().requires_grad_(False)
        self.encoder, self.tokenizer = minilm.load(cache)
        as_shipped(self.encoder)
        self.class_names = class_names()
        self.ancestry = Ancestry(cache)
        wider = [name for names in self.ancestry.names for name in names]
        kinds = [name for names in read_pack(folder, 'cifar10-train').classes for name in narrower(cache, names[0])]
        self.words = Words([*all_names(folder), *wider, *kinds], self.encoder, self.tokenizer, cache)

    def background(self):
        return self.words(background_prompts(), UNCHANGED)

    def class_vectors(self):
        """A text vector of each class: half its commonest name, half the mean of all its names."""
        vectors = []
        for names in self.class_names:
            rows = self.words.vectors[[self.words.index[name] for name in names], 0]
            vectors.append(rows[0] + rows.mean(0))
        return F.normalize(torch.stack(vectors), dim=-1)
