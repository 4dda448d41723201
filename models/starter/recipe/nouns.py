"""WordNet's nouns for things that can be seen."""

import collections
import re

# WordNet's synset numbers follow its files: these are artefacts, animals, bodies, food, places, people, plants, matter.
CONCRETE = [
    (1313093, 4619176),
    (5216365, 5610000),
    (7555863, 7935000),
    (8490000, 8690000),
    (9186064, 9504135),
    (9604981, 10807016),
    (11524662, 13200000),
    (14580597, 15115000),
]
TREE_ORDER = [(1313093, 2666501), (11524662, 13200000)]  # animals and plants are numbered in the order of their tree


def nouns(folder):
    """WordNet's nouns for things that can be seen, one or two words, no proper names: [(synset number, names)]."""
    out = []
    for line in (folder / 'wordnet-nouns.tsv').read_text().splitlines():
        number, names = line.split('\t')
        number = int(number[1:])
        names = [n for n in names.split(', ') if n == n.lower() and n.count(' ') < 2 and re.fullmatch("[a-z' .-]+", n)]
        if names and any(a <= number < b for a, b in CONCRETE):
            out.append((number, names))
    return out


def commonness(folder):
    """A guess at how common a noun is, for want of a frequency list: in how many of WordNet's names its rarest word
    occurs, to the power 0.75; compounds count a third."""
    words = re.findall('[a-z]+', (folder / 'wordnet-nouns.tsv').read_text())
    counts = collections.Counter(words)
    return lambda name: min(counts[w] for w in re.findall('[a-z]+', name)) ** 0.75 / (3 if ' ' in name else 1)
