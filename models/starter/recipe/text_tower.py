"""The text tower: prompts land on the targets of the names in them."""

import json
import random

import torch
from tokenizers import Tokenizer

from .beginning import shipped_tokenizer
from .classes import trained_classes
from .log import log
from .shape import SEED
from .tokenizer import encode, train_tokenizer
from .training import Training
from .words import Words, tokenizer_texts
from .workers import rank

BATCH, PARTS = 384, 3  # prompts of a step; their parts by length, so that short ones are not padded to the longest


def train_text(args, model, targets):
    """The tokenizer and the text tower, by the cosine to the targets; saves both in the checkpoint."""
    words = Words(args.data, targets, trained_classes(args.data))
    log({k: len(v) for k, v in words.by_kind.items()}, 'names')
    training = Training(args, model, 'text', lambda name: name.startswith('text'), args.text_minutes)
    if training.resumed:
        description = training.resumed['tokenizer']
    else:
        description = shipped_tokenizer() if args.from_shipped else train_tokenizer(tokenizer_texts(words))
    tokenizer = Tokenizer.from_str(json.dumps(description))
    dice = random.Random(SEED + training.step + 7919 * rank())

    def backward(_):
        loss = 0.0
        for ids, vectors in parts(tokenizer, *words.draw(BATCH, dice)):
            with torch.autocast(args.device, torch.bfloat16):
                features = model.text(ids.to(args.device))
            part = (1 - (features.float() * vectors.to(args.device)).sum(1)).sum() / BATCH
            part.backward()
            loss += float(part.detach())
        return loss

    training.run(backward, {'tokenizer': description})


def parts(tokenizer, prompts, vectors):
    """Token ids [B / PARTS, longest] and targets of the shortest prompts, of the next longer ones, and so on."""
    lengths = [len(e.ids) for e in tokenizer.encode_batch(prompts)]
    order = sorted(range(len(prompts)), key=lengths.__getitem__)
    for rows in torch.tensor(order).chunk(PARTS):
        yield encode(tokenizer, [prompts[r] for r in rows]), vectors[rows]
