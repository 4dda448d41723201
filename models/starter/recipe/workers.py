"""Several processes of one thread each in place of one with several threads. Each trains by itself for a round of some
seconds; then their weights are averaged (local SGD, Stich 2019). They hardly ever wait for each other, which on a
machine that does other work too is several times faster than sharing every operation or every step."""

import copy
import datetime
import os
import random
import time

import numpy as np
import torch
import torch.distributed as dist

from .shape import SEED

ROUND = 20  # seconds between averagings


def run_workers(count, work, *arguments):
    """work(*arguments) in so many processes, or in this one."""
    if count == 1:
        return work(*arguments)
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', '29517')
    torch.multiprocessing.spawn(worker, (count, work, arguments), count)


def worker(rank, count, work, arguments):
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dist.init_process_group('gloo', rank=rank, world_size=count, timeout=datetime.timedelta(hours=6))
    random.seed(SEED + rank), np.random.seed(SEED + rank), torch.manual_seed(SEED + rank)
    work(*copy.deepcopy(arguments))  # torch hands tensors over in shared memory: each worker needs a model of its own


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


def workers():
    return dist.get_world_size() if dist.is_initialized() else 1


def agreed(number):
    """The first worker's number."""
    if workers() == 1:
        return number
    box = torch.tensor(number, dtype=torch.float64)
    dist.broadcast(box, 0)
    return float(box)


def one_round(one_step, *arguments):
    """What each step returned; at least one step, and as many as fit in a round."""
    returned, end = [], time.monotonic() + ROUND
    while not returned or time.monotonic() < end:
        returned.append(one_step(*arguments))
    return returned


def average_weights(parameters, steps):
    """Every worker's weights become the mean of all, counted by its steps since the last time. Returns their sum."""
    if workers() == 1:
        return steps
    flat = torch.cat([p.detach().flatten() for p in parameters] + [torch.ones(1)]) * steps
    dist.all_reduce(flat)
    total = float(flat[-1])
    for p, mean in zip(parameters, (flat[:-1] / total).split([p.numel() for p in parameters])):
        p.data.copy_(mean.view_as(p))
    return round(total)
