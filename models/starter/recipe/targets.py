"""What the text tower aims at: a fixed unit vector for every name."""

import hashlib
import json

import numpy as np
import torch
import torch.nn.functional as F

from .groups import GROUPS
from .sentences import embed_sentences
from .shape import EMBED, SEED


class Targets:
    """Names to unit vectors [EMBED]: CLIP's text embeddings where known, else predicted from sentence embeddings."""

    def __init__(self, folder, cache):
        self.cache, self.known = cache, json.loads((folder / 'clip-b32-text.json').read_text())['names']
        clip = torch.from_numpy(np.load(folder / 'clip-b32-text.npy')).float()
        clip = F.normalize(clip, dim=1)
        self.row = {n: i for i, n in enumerate(self.known)}
        self.clip = clip
        self.sentences = self.sentence_embeddings(self.known)
        self.fit(torch.ones(len(self.known), dtype=torch.bool))

    def fit(self, rows, ridge=0.3):
        """The ridge regression, and the map that spreads CLIP's narrow cone of text vectors: centre, project on the
        first EMBED principal axes, divide by the fourth root of their variance (half-way to whitening)."""
        x, y = self.sentences[rows], self.clip[rows]
        self.x_mean, self.y_mean = x.mean(0), y.mean(0)
        x, y = x - self.x_mean, y - self.y_mean
        self.weights = torch.linalg.solve(x.T @ x + ridge * len(x) / 100 * torch.eye(x.shape[1]), x.T @ y)
        _, s, v = torch.linalg.svd(y, full_matrices=False)
        self.axes = v[:EMBED].T * (s[:EMBED] / s[0]) ** -0.5

    def sentence_embeddings(self, names):
        """MiniLM's unit sentence vectors, cached. [N, 384]"""
        texts = [name.replace('_', ' ').replace('-', ' ') for name in names]
        file = self.cache / f'sentences-{hashlib.sha256(repr(texts).encode()).hexdigest()[:16]}.npy'
        if not file.exists():
            np.save(file, embed_sentences(texts).numpy())
        return torch.from_numpy(np.load(file))

    def predicted(self, sentences):
        return F.normalize(((sentences - self.x_mean) @ self.weights) @ self.axes, dim=1)

    def of(self, names):
        """Targets of names. [N, EMBED]"""
        vectors = self.predicted(self.sentence_embeddings(names))
        for i, name in enumerate(names):
            row = self.row.get(name, self.row.get(name.lower()))
            if row is not None:
                vectors[i] = F.normalize((self.clip[row] - self.y_mean) @ self.axes, dim=0)
        return vectors

    def held_out_check(self):
        """Fit on 90 % of the known names, look at the rest: mean cosine, how often a name's own vector is nearest."""
        order = torch.randperm(len(self.known), generator=torch.Generator().manual_seed(SEED))
        test = torch.zeros(len(self.known), dtype=torch.bool)
        test[order[: len(order) // 10]] = True
        self.fit(~test)
        truth = F.normalize((self.clip - self.y_mean) @ self.axes, dim=1)
        guess = self.predicted(self.sentences[test])
        right = (guess @ truth.T).argmax(1) == test.nonzero()[:, 0]
        result = float((guess * truth[test]).sum(1).mean()), float(right.float().mean())
        self.fit(torch.ones_like(test))
        return result


def english(names):
    """A class's names without its Latin ones: those after the first that start with a capital."""
    return names[:1] + [n for n in names[1:] if n[:1].islower()]


def class_targets(targets, classes):
    """One unit vector per class: half its first name, half its other names. [C, EMBED]"""
    names = [n for key in classes.names for n in english(classes.synonyms[key])]
    vectors = dict(zip(names, targets.of(names)))
    rows = []
    for key in classes.names:
        first, *rest = english(classes.synonyms[key])
        row = vectors[first]
        if rest:
            row = row + torch.stack([vectors[n] for n in rest]).mean(0)
        rows.append(F.normalize(row, dim=0))
    return torch.stack(rows)


def group_targets(targets, classes, rows):
    """One unit vector per group word: half the word itself, half the mean of its members. [G, EMBED]"""
    own = targets.of(list(GROUPS))
    out = []
    for word, vector in zip(GROUPS, own):
        members = [classes.names.index(m) for m in GROUPS[word] if m in classes.names]
        out.append(F.normalize(vector + F.normalize(rows[members].mean(0), dim=0), dim=0))
    return torch.stack(out)
