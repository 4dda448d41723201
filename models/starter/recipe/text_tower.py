"""The text tower: prompts land on the targets of the names in them."""

import json
import random

import numpy as np
import torch
from tokenizers import Tokenizer

from .beginning import shipped_tokenizer
from .checkpoint import load_checkpoint, save_checkpoint
from .classes import trained_classes
from .clock import Clock
from .log import log
from .optimiser import Average, Optimiser, schedule
from .shape import SEED
from .tokenizer import encode, train_tokenizer
from .words import Words, tokenizer_texts
from .workers import agreed, average_weights, one_round, rank

BATCH, PARTS = 384, 3  # prompts of a step; their parts by length, so that short ones are not padded to the longest


def train_text(args, model, targets):
    """The tokenizer and the text tower, by the cosine to the targets; saves both in the checkpoint."""
    words = Words(args.data, targets, trained_classes(args.data), fitted_groups(args))
    log({k: len(v) for k, v in words.by_kind.items()}, 'names')
    named = [(n, p) for n, p in model.named_parameters() if n.startswith('text')]
    optimiser, average, step, spent = Optimiser(named), Average(named), 0, 0.0
    state = load_checkpoint(args, 'text')
    if state:
        model.load_state_dict(state['weights'], strict=False)
        optimiser.load(state['optimiser'])
        average.load(state['average'], state['count'])
        step, spent, description = state['step'], state['spent'], state['tokenizer']
    else:
        description = shipped_tokenizer() if args.from_shipped else train_tokenizer(tokenizer_texts(words))
    tokenizer = Tokenizer.from_str(json.dumps(description))
    dice = random.Random(SEED + step + 7919 * rank())
    clock, last_save = Clock(args.text_minutes, spent, args.until), spent

    def one_step(progress):
        loss = 0.0
        for ids, vectors in parts(tokenizer, *words.draw(BATCH, dice)):
            with torch.autocast(args.device, torch.bfloat16):
                features = model.text(ids.to(args.device))
            part = (1 - (features.float() * vectors.to(args.device)).sum(1)).sum() / BATCH
            part.backward()
            loss += float(part.detach())
        optimiser.step(args.peak * schedule(progress))
        average.update()
        clock.tick()
        return loss

    while (progress := agreed(clock.progress())) < 1:
        losses = one_round(one_step, progress)
        step += average_weights([p for _, p in named], len(losses))
        if rank() > 0:
            continue
        log(f'step {step} {clock.spent / 60:.1f} min {progress:.1%}, cosine to target {1 - np.mean(losses):.3f}')
        if clock.spent - last_save > 300 or clock.progress() == 1:
            last_save = clock.spent
            save_checkpoint(
                args,
                'text',
                {
                    'weights': dict(named),
                    'optimiser': optimiser.state(),
                    'average': average.weights,
                    'count': average.count,
                    'spent': clock.spent,
                    'step': step,
                    'tokenizer': description,
                },
            )


def fitted_groups(args):
    """What fit_groups() saved, if this run's image tower was trained already."""
    file = args.checkpoints / 'groups.pt'
    return torch.load(file) if file.exists() else {}


def parts(tokenizer, prompts, vectors):
    """Token ids [B / PARTS, longest] and targets of the shortest prompts, of the next longer ones, and so on."""
    lengths = [len(e.ids) for e in tokenizer.encode_batch(prompts)]
    order = sorted(range(len(prompts)), key=lengths.__getitem__)
    for rows in torch.tensor(order).chunk(PARTS):
        yield encode(tokenizer, [prompts[r] for r in rows]), vectors[rows]
