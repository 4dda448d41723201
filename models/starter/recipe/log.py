"""Progress on standard output."""

import time

from .workers import rank


def log(*words):
    if rank() > 0:
        return
    print(time.strftime('%H:%M:%S'), *words, flush=True)
