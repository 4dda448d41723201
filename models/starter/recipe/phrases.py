"""Prompts for a name."""

import re

from .groups import TABLES

PHRASES = (TABLES / 'phrases.txt').read_text().split('\n')[:-1]


def with_article(name):
    return ('an ' if name[:1].lower() in 'aeiou' else 'a ') + name


def plural(name):
    if re.search('(s|x|z|ch|sh)$', name):
        return name + 'es'
    return name[:-1] + 'ies' if re.search('[^aeiou]y$', name) else name + 's'


def phrase(name, top, dice):
    """A prompt for a name: one in three `a photo of a`, else any phrasing, sometimes naming its kind."""
    chance = dice.random()
    if chance < 0.35:
        return 'a photo of a ' + name if dice.random() < 0.7 else 'a photo of ' + with_article(name)
    if chance < 0.45:
        return name
    if top and chance < 0.52:
        return (
            f'a photo of {dice.choice(["a " + name, with_article(name), name])}, a {dice.choice(["type", "kind"])} of {top}'
            + dice.choice(['', '.'])
        )
    text = (
        dice.choice(PHRASES)
        .replace('{a}', with_article(name) if dice.random() < 0.6 else 'a ' + name)
        .replace('{s}', plural(name))
        .replace('{}', name)
    )
    return text + '.' if dice.random() < 0.3 else text
