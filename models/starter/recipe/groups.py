"""Words above the classes."""

import re
from pathlib import Path

TABLES = Path(__file__).with_name('tables')


def table(text):
    """`word: a, b, c` per entry, long ones continued on indented lines, to {word: [a, b, c]}."""
    entries = (entry.split(': ') for entry in re.sub(r'\n +', ' ', text.strip()).split('\n'))
    return {word: members.split(', ') for word, members in entries}


GROUPS = table((TABLES / 'groups.txt').read_text())
# Class: other words for it, and for its kinds, young, males and females.
THESAURUS = table((TABLES / 'thesaurus.txt').read_text())
TOP = (TABLES / 'top.txt').read_text().split('\n')[:-1]
