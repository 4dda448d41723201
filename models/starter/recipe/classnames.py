"""The names of the trunk's thousand classes, from timm's copy of ImageNet's synsets and WordNet's words for them."""

from importlib.util import find_spec
from pathlib import Path


def info(name):
    """The lines of one of timm's files; timm itself is not imported, because it needs torchvision."""
    (package,) = find_spec('timm').submodule_search_locations
    return (Path(package) / 'data' / '_info' / name).read_text().splitlines()


def class_synsets():
    """WordNet 3.0 numbers (n01440764 …) in the order of the classes."""
    return info('imagenet_synsets.txt')


def class_names():
    """For each class its words, the commonest first."""
    lemmas = dict(line.split('\t', 1) for line in info('imagenet_synset_to_lemma.txt'))
    return [[word.strip() for word in lemmas[synset].split(',')] for synset in class_synsets()]
