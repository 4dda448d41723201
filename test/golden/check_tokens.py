#!/usr/bin/env python3
"""Compares the tokens of 20,000 random texts with transformers' CLIPTokenizer and open_clip's SimpleTokenizer.

    npm run build && venv/bin/pip install transformers==5.24.0 open_clip_torch==3.3.0 ftfy==6.3.1
    venv/bin/python test/golden/check_tokens.py <bpe_simple_vocab_16e6.txt.gz> [count] [seed]

Every difference is put to a cause that can be seen in the text; a text without one is printed.
"""

import gzip
import html
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ['HF_HUB_OFFLINE'] = '1'
import ftfy
from open_clip.tokenizer import SimpleTokenizer
from transformers import CLIPTokenizer

VOCAB = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
random.seed(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
BLOCKS = [
    (0x20, 0x7F), (0xA0, 0xFF), (0x100, 0x17F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0xE00, 0xE7F), (0x1E00, 0x1EFF), (0x2000, 0x206F), (0x20A0, 0x20CF), (0x2100, 0x214F), (0x2190, 0x21FF),
    (0x2600, 0x26FF), (0x3000, 0x303F), (0x3040, 0x309F), (0x30A0, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFB00, 0xFB4F),
    (0xFE00, 0xFE0F), (0xFF00, 0xFFEF), (0x1F300, 0x1F64F), (0x1D400, 0x1D7FF),
]
ENTITIES = ['&amp;', '&lt;', '&eacute;', '&#39;', '&#x27;', '&amp;lt;', '&nbsp;', '&copy', '&unknown;']
SPACES = [' ', '  ', '\t', '\n', '\r\n', '\u00a0', '\u2003', '\u3000', '\x1c', '\x85', '\ufeff', '\u200b']
ENDINGS = ["'s", "'re", "'ll", "n't", "'S", '’s', '...', '!', '?!', '-', '_', '/', '%', '$']


def piece(words):
    kind = random.random()
    if kind < 0.55:
        return random.choice(words)
    if kind < 0.75:
        low, high = random.choice(BLOCKS)
        return ''.join(chr(random.randint(low, high)) for _ in range(random.randint(1, 6)))
    if kind < 0.8:
        return random.choice(ENTITIES)
    if kind < 0.88:
        return random.choice(words).upper() + random.choice(ENDINGS)
    if kind < 0.93:
        return random.choice(['café', 'Müller', 'naïve', 'ΟΔΟΣ', 'İstanbul', 'straße', 'ﬁsh']).encode().decode(
            random.choice(['utf-8', 'latin-1', 'cp1252']), 'replace'
        )
    return str(random.randint(0, 10**6))


def texts(words):
    for n in range(COUNT):
        length = random.randint(75, 120) if n % 10 == 0 else random.randint(1, 12)
        yield ''.join(piece(words) + (random.choice(SPACES) if random.random() < 0.3 else ' ') for _ in range(length))


def symbols():
    letters = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(b) for b in letters] + [chr(256 + n) for n in range(256 - len(letters))]


def ours(folder, given, cleaning):
    shape = dict(context=77, vocabulary=49408, pooling={'at': 'greatest id'}, cleaning=cleaning, padding='none')
    command = ['node', Path(__file__).with_name('answers.mjs'), 'tokens', folder, json.dumps(shape)]
    lines = ''.join(json.dumps(text) + '\n' for text in given)
    answer = subprocess.run(command, input=lines.encode(), capture_output=True, check=True).stdout.decode()
    return [json.loads(line) for line in answer.splitlines()]


def report(name, given, got, want, causes):
    tally, unexplained = Counter(), []
    for text, a, b in zip(given, got, want):
        if a == b:
            continue
        cause = next((cause for cause, test in causes if test(text)), None)
        if cause is None:
            unexplained.append((text, a, b))
        tally[cause] += 1
    print(f'{name}: {len(given) - sum(tally.values())} of {len(given)} texts are equal; others:', dict(tally))
    for text, a, b in unexplained[:5]:
        print('  ', ascii(text), a, b)


merges = gzip.open(VOCAB).read().decode().split('\n')[1 : 49152 - 256 - 2 + 1]
letters = symbols()
tokens = letters + [x + '</w>' for x in letters] + [''.join(m.split()) for m in merges] + ['<|startoftext|>', '<|endoftext|>']
vocab = {token: n for n, token in enumerate(tokens)}
words = [w[:-4] for w in tokens if re.fullmatch(r'[a-z]+</w>', w)]
given = list(texts(words))
hugging = CLIPTokenizer(vocab=vocab, merges=[tuple(m.split()) for m in merges], model_max_length=77)
with tempfile.TemporaryDirectory() as folder:
    hugging.save_pretrained(folder)
    plain, straight = ours(folder, given, 'openai'), ours(folder, given, 'open_clip')

unescaped = lambda t: html.unescape(html.unescape(t))
theirs = [hugging(t, truncation=True, max_length=77)['input_ids'] for t in given]
report('transformers CLIPTokenizer', given, plain, theirs, [
    ('HTML entity', lambda t: unescaped(t) != t),
    ('U+001C to U+001F or U+FEFF is white space in one and not in the other', lambda t: re.search('[\x1c-\x1f\ufeff]', t)),
    ('capital sigma at the end of a word', lambda t: 'Σ' in t),
    ('U+0130 in lower case', lambda t: 'İ' in t),
])
simple = SimpleTokenizer(VOCAB)
padded = simple(given).tolist()
theirs = [row[: row.index(49407) + 1] for row in padded]
report('open_clip SimpleTokenizer', given, straight, theirs, [
    ('U+0345, which its pattern drops', lambda t: '\u0345' in t),
    ('ftfy repairs more than quotes, ligatures and widths', lambda t: ftfy.fix_text(t) != t),
])
