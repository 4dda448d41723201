"""The trunk's features of every picture, computed once by onnxruntime and kept in the cache.

A file of the cache holds one part of one view of one pack, so an interrupted run continues where it stopped.
"""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
import onnxruntime
import torch

from .log import log
from .packs import TESTS, USED, looked_at, read_pack
from .trunk import IMAGE_SIZE, Trunk, published_weights
from .views import altered, native, plain, tensor

PART, BATCH = 500, 8
# Views of each picture: the plain one, then altered ones. The packs of 32 and 64 pixels are only shown as they are.
ALTERED = [altered, native, altered]
VIEWS = dict.fromkeys(['everyday', 'everyday-more', 'imagenette-train', 'caltech101', 'clipart', 'emoji'], 1 + len(ALTERED))


class PooledFeatures(torch.nn.Module):
    def __init__(self, trunk: Trunk):
        super().__init__()
        self.trunk = trunk

    def forward(self, pixels):
        return self.trunk.features(self.trunk.stem(pixels)).mean((2, 3))


def write_graph(path):
    example = torch.zeros(BATCH, 3, IMAGE_SIZE, IMAGE_SIZE)
    names = dict(input_names=['pixels'], output_names=['features'])
    shapes = ({0: torch.export.Dim('batch')},)
    torch.onnx.export(PooledFeatures(published_weights()), (example,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, **names)


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])


def part_file(cache, name, view, part):
    return cache / 'features' / f'{name}-{view}-{part:03}.npz'


def compute(job):
    folder, cache, name, view, part = job
    target = part_file(cache, name, view, part)
    if target.exists():
        return target
    pack = read_pack(folder, name)
    rows = looked_at(pack)[part * PART : (part + 1) * PART]
    run = session(cache / 'trunk.onnx')
    rng = np.random.default_rng([view, part])
    features = []
    pictures = list(pack.pictures(rows))
    for start in range(0, len(rows), BATCH):
        views = [tensor(ALTERED[view - 1](p, rng) if view else plain(p)) for p in pictures[start : start + BATCH]]
        features.append(run.run(['features'], {'pixels': np.stack(views)})[0].astype(np.float16))
    fresh = target.with_suffix('.fresh.npz')
    np.savez(fresh, rows=rows, features=np.concatenate(features))
    fresh.replace(target)
    return target


def parts(folder, name):
    return -(-len(looked_at(read_pack(folder, name))) // PART)


def all_jobs(folder, cache):
    """Every part, the plain view of every pack first."""
    jobs = []
    for view in range(max(VIEWS.values())):
        for name in [*USED, *TESTS]:
            if view < VIEWS.get(name, 1):
                jobs += [(folder, cache, name, view, part) for part in range(parts(folder, name))]
    return jobs


def compute_features(folder, cache, workers):
    (cache / 'features').mkdir(parents=True, exist_ok=True)
    if not (cache / 'trunk.onnx').exists():
        write_graph(cache / 'trunk.onnx')
    jobs = all_jobs(folder, cache)
    with ProcessPoolExecutor(workers) as pool:
        for n, target in enumerate(pool.map(compute, jobs, chunksize=1)):
            log(f'features: {n + 1} of {len(jobs)} parts ({target.stem})')


def load_features(folder, cache, name, view=0):
    """(rows, features) of the parts that exist."""
    rows, features = [], []
    for part in range(parts(folder, name)):
        file = part_file(cache, name, view, part)
        if file.exists():
            with np.load(file) as data:
                rows.append(data['rows'])
                features.append(data['features'])
    if not rows:
        return np.zeros(0, int), np.zeros((0, 1280), np.float16)
    return np.concatenate(rows), np.concatenate(features)
