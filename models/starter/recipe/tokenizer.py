"""A byte-level BPE in CLIP's form."""

import json

import torch

from .shape import TEXT

SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # CLIP's words; \p{N}: one digit at a time
START, END = '<|startoftext|>', '<|endoftext|>'


def empty_tokenizer():
    """CLIP's normalisation and splitting around a BPE model without merges."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(
        models.BPE(unk_token=END, end_of_word_suffix='</w>', continuing_subword_prefix='', fuse_unk=False)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r'\s+'), ' '), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), 'removed', invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def train_tokenizer(texts):
    """tokenizer.json as a dictionary. Ids: 256 byte symbols, the same with </w>, merges, start and end of text; thus
    every text has tokens, and the end of text is the highest id, which is how CLIP finds it."""
    from tokenizers import pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = empty_tokenizer()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=TEXT['vocab'] + 1000, initial_alphabet=alphabet, end_of_word_suffix='</w>', show_progress=False
        ),
    )
    made = json.loads(tokenizer.to_str())
    merges = [m if isinstance(m, list) else m.split(' ') for m in made['model']['merges']]
    vocabulary = alphabet + [c + '</w>' for c in alphabet]
    known = set(vocabulary)
    kept = []
    for a, b in merges:
        if len(vocabulary) == TEXT['vocab'] - 2:
            break
        if a + b not in known:  # two ways to one symbol need one id only
            known.add(a + b)
            vocabulary.append(a + b)
            kept.append(f'{a} {b}')
    vocabulary += [START, END]
    assert len(vocabulary) == TEXT['vocab'], 'too little text for this vocabulary'
    first, last = len(vocabulary) - 2, len(vocabulary) - 1
    special = dict(special=True, single_word=False, lstrip=False, rstrip=False)
    return {
        **made,
        'added_tokens': [
            {'id': first, 'content': START, **special, 'normalized': True},
            {'id': last, 'content': END, **special, 'normalized': False},
        ],
        'post_processor': {
            'type': 'RobertaProcessing',
            'sep': [END, last],
            'cls': [START, first],
            'trim_offsets': False,
            'add_prefix_space': False,
        },
        'decoder': {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True, 'use_regex': True},
        'model': {**made['model'], 'vocab': {t: i for i, t in enumerate(vocabulary)}, 'merges': kept},
    }


def encode(tokenizer, texts):
    """Texts to ids, padded with the end of text. [N, longest]"""
    rows = [
        e.ids if len(e.ids) <= TEXT['context'] else e.ids[: TEXT['context'] - 1] + e.ids[-1:]
        for e in tokenizer.encode_batch(texts)
    ]
    ids = torch.full((len(rows), max(map(len, rows))), TEXT['vocab'] - 1)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids
