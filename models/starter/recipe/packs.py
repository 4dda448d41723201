"""The packs of pictures: which pictures and names are trained on, and which are held out of training."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

SEED = 24
# Pictures used of each pack, at most; the packs of small pictures are larger than two cores can look at.
USED = {
    'everyday': None,
    'everyday-more': None,
    'imagenette-train': 3000,
    'caltech101': 4000,
    'tiny-imagenet-train': 10000,
    'cifar10-train': 6000,
    'clipart': None,
    'emoji': None,
}
TESTS = {'cifar10-test': 2000, 'tiny-imagenet-val': 3000}

# Chosen before the first run: no picture of these is trained on, under any of their names, in any pack, without --all-names.
HELD_OUT_CALTECH = {
    'helicopter', 'kangaroo', 'rooster', 'dolphin', 'laptop', 'strawberry', 'soccer ball', 'grand piano', 'sunflower',
    'rhinoceros', 'rhino', 'laptop computer',
}
HELD_OUT_WORDS_COUNT = 20


@dataclass
class Pack:
    name: str
    folder: Path
    offsets: np.ndarray
    labels: np.ndarray
    classes: list  # of lists of names, the commonest first
    broader: list  # of lists of wider words, one list for each class
    sources: np.ndarray
    source_list: list
    source_terms: list

    def bytes(self, rows):
        with open(self.folder / f'{self.name}.bin', 'rb') as file:
            for row in rows:
                file.seek(int(self.offsets[row]))
                yield file.read(int(self.offsets[row + 1] - self.offsets[row]))

    def pictures(self, rows):
        for data in self.bytes(rows):
            yield Image.open(io.BytesIO(data)).convert('RGB')

    @property
    def is_open(self):
        return np.array([t == 'open' for t in self.source_terms])[self.sources]


def read_pack(folder, name):
    data = json.loads((folder / f'{name}.json').read_text())
    classes = [names if isinstance(names, list) else names.split('/') for names in data['classes']]
    count = len(data['labels'])
    return Pack(
        name,
        folder,
        np.array(data['offsets']),
        np.array(data['labels']),
        classes,
        data.get('broader', [[] for _ in classes]),
        np.array(data.get('sources', [0] * count)),
        data.get('source_list', [name]),
        data.get('source_terms', ['open' if name in ('clipart', 'emoji') else 'unclear']),
    )


def held_out_words(folder):
    """Twenty names of `everyday` that have thirty pictures or more, drawn by the seed before anything was trained."""
    pack = read_pack(folder, 'everyday')
    counts = np.bincount(pack.labels, minlength=len(pack.classes))
    names = [names[0] for names, count in zip(pack.classes, counts, strict=True) if count >= 30 and names[0] not in HELD_OUT_CALTECH]
    return sorted(str(n) for n in np.random.default_rng(SEED).choice(sorted(names), HELD_OUT_WORDS_COUNT, replace=False))


def aside(pack):
    """The pictures of a pack that are kept for measuring: a tenth, drawn by the seed."""
    return np.random.default_rng(SEED).random(len(pack.labels)) < 0.1


def looked_at(pack):
    """Rows whose features are computed, in a fixed random order. Held-aside pictures of large packs come first."""
    limit = {**USED, **TESTS}[pack.name]
    rows = np.random.default_rng(SEED + 1).permutation(len(pack.labels))
    if limit is None or pack.name in TESTS:
        return np.sort(rows[:limit])
    kept = aside(pack)
    shown = [row for row in rows if not kept[row]][:limit]
    unseen = {n for n, names in enumerate(pack.classes) if HELD_OUT_CALTECH & set(names)}
    extra = [row for row in rows if pack.labels[row] in unseen] if pack.name == 'caltech101' else []
    return np.sort(np.unique(np.array([*shown, *[row for row in rows if kept[row]][:1000], *extra])))


def write_held_out(folder, file):
    """What measure.mjs needs to know: the held-out words and classes, and the held-aside rows."""
    packs = ['everyday', 'everyday-more', 'imagenette-train', 'caltech101']
    rows = {name: ' '.join(map(str, np.flatnonzero(aside(read_pack(folder, name))))) for name in packs}
    content = {'words': held_out_words(folder), 'caltech': sorted(HELD_OUT_CALTECH), 'aside': rows}
    file.write_text(json.dumps(content, indent=2) + '\n')
