"""Which sets are trained on, which classes are never shown, and the classes that are left."""

import os

import numpy as np
import torch

from .log import log
from .pictures import fingerprints, load_pixels, near_duplicates, read_set
from .shape import SEED

# Share of each set in a batch, and the set of rival names its pictures are told apart from.
SETS = {
    'cifar10-train': (0.34, 'cifar'),
    'tiny-imagenet-train': (0.54, 'objects'),
    'imagenette-train': (0.05, 'objects'),
    'caltech101': (0.07, 'caltech'),
}
TESTS = ('cifar10-test', 'tiny-imagenet-val')
WATCHED, SET_ASIDE = ('cifar10-train', 'tiny-imagenet-train'), 1000

# Chosen before the first run; no picture of these is ever shown, under any of their names. They measure zero-shot.
HELD_OUT = {
    'helicopter': [],
    'kangaroo': [],
    'rooster': [],
    'dolphin': [],
    'laptop': ['laptop computer'],
    'strawberry': [],
    'soccer ball': [],
    'grand piano': [],
    'sunflower': [],
    'rhinoceros': ['rhino'],
}
HELD_OUT_NAMES = set(HELD_OUT) | {n for v in HELD_OUT.values() for n in v}


class Classes:
    """All class names that are trained on, merged over the sets by first name."""

    def __init__(self):
        self.names, self.synonyms, self.rivals = [], {}, {}

    def add(self, names, rivals):
        """The index of a class with these names; None if it is held out."""
        if HELD_OUT_NAMES & set(names):
            return None
        key = names[0]
        if key not in self.synonyms:
            self.names.append(key)
            self.synonyms[key] = []
        self.synonyms[key] += [n for n in names if n not in self.synonyms[key]]
        index = self.names.index(key)
        self.rivals.setdefault(rivals, set()).add(index)
        return index


def usable_rows(folder, cache, name):
    """Rows of a training set that no test set shares, in a fixed random order; and how many were dropped for that."""
    file = cache / f'copied-{name}.npy'
    if not file.exists():
        prints = [fingerprints(load_pixels(folder, cache, test)) for test in TESTS]
        fresh = cache / f'copied-{name}-{os.getpid()}.npy'  # in one go, as another worker may be about it too
        np.save(fresh, near_duplicates(load_pixels(folder, cache, name), prints))
        fresh.replace(file)
    copied = np.load(file)
    rows = np.flatnonzero(~copied)
    np.random.default_rng(SEED).shuffle(rows)
    return rows, int(copied.sum())


def load_training(args):
    """Every training set without held-out classes, on the device. The first 1,000 rows of the two big sets are set
    aside, for watching and for calibration."""
    classes, sets, overlap = Classes(), {}, {}
    for name, (share, rivals) in SETS.items():
        _, labels, names = read_set(args.data, name)
        pixels = load_pixels(args.data, args.cache, name)
        index = np.array([-1 if (k := classes.add(n, rivals)) is None else k for n in names])[labels]
        rows, overlap[name] = usable_rows(args.data, args.cache, name)
        shown = rows[index[rows] >= 0]
        aside, shown = np.split(shown, [SET_ASIDE if name in WATCHED else 0])
        sets[name] = dict(
            pixels=torch.from_numpy(pixels).to(args.device),
            rows=torch.from_numpy(shown),
            labels=torch.from_numpy(index[shown]),
            check=(pixels[aside], torch.from_numpy(index[aside])),
            share=share,
            rivals=rivals,
        )
        log(f'{name}: {len(shown)} pictures; dropped {overlap[name]} that a test set has, {(index < 0).sum()} held out')
    return classes, sets, overlap


def trained_classes(folder):
    """The classes alone, in the order in which load_training() numbers them."""
    classes = Classes()
    for name, (_, rivals) in SETS.items():
        for names in read_set(folder, name)[2]:
            classes.add(names, rivals)
    return classes
