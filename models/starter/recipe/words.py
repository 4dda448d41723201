"""Text vectors of every name that training or measuring needs, in several phrasings, kept in the cache."""

import numpy as np
import torch

from . import minilm

# The first is the product's default.
TEMPLATES = ['a photo of a {}', '{}', 'a {}', 'a picture of {}', 'this is the {}', 'an image of some {}']
UNCHANGED = TEMPLATES.index('{}')


class Words:
    """A table of names; `vectors[name, template]` are unit vectors."""

    def __init__(self, names, encoder, tokenizer, cache):
        self.names = list(dict.fromkeys(names))
        self.index = {name: n for n, name in enumerate(self.names)}
        file = cache / 'words.npz'
        known = {}
        if file.exists():
            with np.load(file) as stored:
                known = dict(zip(stored['names'].tolist(), stored['vectors'], strict=True))
        fresh = [name for name in self.names if name not in known]
        prompts = [template.format(name) for name in fresh for template in TEMPLATES]
        if fresh:
            vectors = minilm.vectors(encoder, tokenizer, prompts).view(len(fresh), len(TEMPLATES), -1).numpy()
            known.update(zip(fresh, vectors, strict=True))
            np.savez(file, names=list(known), vectors=np.stack(list(known.values())))
        self.vectors = torch.from_numpy(np.stack([known[name] for name in self.names]))

    def __call__(self, names, template=0):
        return self.vectors[[self.index[name] for name in names], template]
