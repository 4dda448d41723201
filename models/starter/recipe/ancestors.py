"""WordNet above the trunk's thousand classes: wider words for them, and the classes below each."""

import numpy as np

from .classnames import class_names
from .wordnet import nouns

TOO_WIDE = {
    'entity', 'physical entity', 'object', 'whole', 'artifact', 'living thing', 'organism', 'instrumentality', 'matter',
    'substance', 'abstraction', 'causal agent', 'unit', 'part', 'body part', 'thing', 'cause',
}
FEWEST, MOST = 2, 450  # classes below a wider word


class Ancestry:
    def __init__(self, cache):
        table = nouns(cache)
        by_word = {}
        for offset, (names, _) in table.items():
            for name in names:
                by_word.setdefault(name.lower(), []).append(offset)
        self.lemmas = [{name.lower() for name in names} for names in class_names()]
        below = {}
        for number, names in enumerate(self.lemmas):
            for offset in lineage(synset_of(names, by_word, table), table):
                below.setdefault(offset, set()).add(number)
        wide = [o for o in sorted(below) if FEWEST <= len(below[o]) <= MOST and table[o][0][0] not in TOO_WIDE]
        # The names of each wider word, the commonest first.
        self.names = [[name for n, name in enumerate(table[offset][0]) if n == 0 or name == name.lower()] for offset in wide]
        self.members = np.stack([self.row(below[offset]) for offset in wide])

    @staticmethod
    def row(classes):
        out = np.zeros(1000, np.float32)
        out[list(classes)] = 1
        return out


def synset_of(names, by_word, table):
    """The synset that shares most words with the class: WordNet 3.1 has other numbers than ImageNet's 3.0."""
    candidates = {offset for name in names for offset in by_word.get(name, [])}
    shared = {offset: len(names & {n.lower() for n in table[offset][0]}) for offset in candidates}
    return max(candidates, key=lambda offset: (shared[offset], -len(table[offset][0]), -offset), default=None)


def lineage(offset, table):
    """A synset and all that it is a kind of."""
    seen, ahead = set(), [offset] if offset else []
    while ahead:
        here = ahead.pop()
        if here not in seen:
            seen.add(here)
            ahead += table[here][1]
    return seen
