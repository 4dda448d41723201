"""What a trained text tower makes of names."""

import json

import torch
from tokenizers import Tokenizer

from .beginning import shipped_tokenizer, shipped_weights
from .checkpoint import finished
from .tokenizer import encode

TEMPLATE = 'a photo of a {}'  # the product's default


@torch.no_grad()
def embed_names(model, tokenizer, names):
    """Unit vectors of names in the default prompt, by a tokenizer.json. [N, EMBED]"""
    ids = encode(Tokenizer.from_str(json.dumps(tokenizer)), [TEMPLATE.format(n) for n in names])
    return model.text(ids.to(model.logit_scale.device))


def adopt_text(args, model):
    """Gives a model the text tower that this run has trained, or else the shipped one. Returns its tokenizer.json."""
    if text := finished(args, 'text'):
        model.load_state_dict(text['average'], strict=False)
        return text['tokenizer']
    model.load_state_dict({n: p for n, p in shipped_weights().items() if n.startswith('text')}, strict=False)
    return shipped_tokenizer()
