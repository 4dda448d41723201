"""The vocabulary of the text encoder: MiniLM's word pieces without those that an English label hardly needs."""

import json

from tokenizers import Tokenizer

from .text import CONTEXT
from .wordnet import words

FREQUENT = 8000  # whole words before this place in MiniLM's list (commonest first) are kept, whatever they are
FIRST_WORD = 1996  # where the whole words begin in that list
SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']


def kept_tokens(tokenizer, cache):
    """Old numbers of the tokens that stay, in their order: endings, frequent words, and every piece of a WordNet word
    and its plural, so that these are cut into the same pieces as before."""
    kept = {number for encoding in tokenizer.encode_batch_fast([f'{w} {w}s' for w in sorted(words(cache))]) for number in encoding.ids}
    for token, number in tokenizer.get_vocab().items():
        is_ascii = all(32 < ord(c) < 127 for c in token) and not token.startswith('[')
        if token in SPECIAL or (is_ascii and (token.startswith('##') or len(token) == 1 or number < FIRST_WORD + FREQUENT)):
            kept.add(number)
    return sorted(kept)


def cut_tokenizer(source, kept):
    """tokenizer.json with the kept tokens numbered anew; padding is left to the caller."""
    data = json.loads(source.read_text())
    by_number = {number: token for token, number in data['model']['vocab'].items()}
    data['model']['vocab'] = {by_number[old]: new for new, old in enumerate(kept)}
    renumbered = {token: number for token, number in data['model']['vocab'].items() if token in SPECIAL}
    data['added_tokens'] = [{**token, 'id': renumbered[token['content']]} for token in data['added_tokens']]
    for token, entry in data['post_processor']['special_tokens'].items():
        entry['ids'] = [renumbered[token]]
    data['truncation'] = {'direction': 'Right', 'max_length': CONTEXT, 'strategy': 'LongestFirst', 'stride': 0}
    data['padding'] = None
    return Tokenizer.from_str(json.dumps(data))
