"""What is learnt: groups of pictures that are told apart by the names of their classes."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch

from .features import VIEWS, load_features
from .packs import HELD_OUT_CALTECH, aside, held_out_words, read_pack
from .wordnet import narrower

GROUPS = {
    'everyday': ['everyday', 'everyday-more'],
    'imagenette': ['imagenette-train'],
    'tiny-imagenet': ['tiny-imagenet-train'],
    'caltech': ['caltech101'],
    'cifar': ['cifar10-train'],
    'clipart': ['clipart'],
    'emoji': ['emoji'],
}


@dataclass
class Group:
    """Pictures that are told apart by the same names."""

    names: list  # of lists of names, one list for each class
    broader: list  # of sets of wider words, one set for each class
    labels: torch.Tensor
    views: list  # of feature matrices; the first is the plain view
    view_rows: list  # of the rows that each matrix holds

    @property
    def size(self):
        return len(self.labels)


def load_groups(materials, unseen_words, unseen_sources=(), open_only=False):
    """The pictures that are trained on: neither held out nor held aside."""
    folder, cache, groups = materials.folder, materials.cache, {}
    for group, packs in GROUPS.items():
        merged, names, broader, labels, views = {}, [], [], [], {}
        count = 0
        for name in packs:
            pack = read_pack(folder, name)
            new = np.full(len(pack.classes), -1)
            for n, words in enumerate(pack.classes):
                if unseen_words & set(words):
                    continue
                if words[0] not in merged:
                    merged[words[0]] = len(names)
                    names.append([])
                    broader.append(set())
                new[n] = merged[words[0]]
                names[new[n]] += [w for w in words if w not in names[new[n]]]
                broader[new[n]] |= set(pack.broader[n])
            out = {n for n, source in enumerate(pack.source_list) if source in unseen_sources}
            shown = (new[pack.labels] >= 0) & ~aside(pack) & ~np.isin(pack.sources, list(out))
            if open_only and name in ('everyday', 'everyday-more'):
                shown &= pack.is_open
            position = {}
            for view in range(VIEWS.get(name, 1)):
                rows, features = load_features(folder, cache, name, view)
                keep = shown[rows]
                rows, features = rows[keep], torch.from_numpy(features[keep])
                if view == 0:
                    position = {row: count + n for n, row in enumerate(rows)}
                    labels.append(torch.from_numpy(new[pack.labels[rows]]))
                    count += len(rows)
                views.setdefault(view, []).append((torch.tensor([position[row] for row in rows], dtype=torch.long), features))
        matrices = [(torch.cat([r for r, _ in parts]), torch.cat([f for _, f in parts])) for parts in views.values()]
        if group == 'cifar':
            # Ten wide classes: words for their kinds teach the synonyms that people use.
            kinds = [narrower(cache, words[0]) for words in names]
            count = Counter(word for words in kinds for word in set(words))
            names = [[*words, *[k for k in mine if count[k] == 1]] for words, mine in zip(names, kinds, strict=True)]
        groups[group] = Group(names, broader, torch.cat(labels), [f for _, f in matrices], [r for r, _ in matrices])
    return groups


def unseen_words(folder):
    return HELD_OUT_CALTECH | words_with_synonyms(folder, held_out_words(folder))


def words_with_synonyms(folder, words):
    pack = read_pack(folder, 'everyday')
    return {name for names in pack.classes if names[0] in words for name in names}
