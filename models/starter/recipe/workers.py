"""Several processes of one thread each in place of one with several threads: they wait for each other once a step, not
once an operation, which is faster, and on a machine that does other work too very much faster."""

import datetime
import os
import random

import numpy as np
import torch
import torch.distributed as dist

from .shape import SEED


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
    work(*arguments)


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


def average_gradients(parameters):
    if workers() == 1:
        return
    flat = torch.cat([p.grad.flatten() for p in parameters])
    dist.all_reduce(flat)
    for p, mean in zip(parameters, (flat / workers()).split([p.numel() for p in parameters])):
        p.grad.copy_(mean.view_as(p))


def shared_out(function, stack):
    """function(stack), for a function of each entry alone: every worker does a part of the entries."""
    if workers() == 1:
        return function(stack)
    done = torch.empty_like(stack)
    for owner, (part, out) in enumerate(zip(stack.tensor_split(workers()), done.tensor_split(workers()))):
        if owner == rank():
            out.copy_(function(part))
    for owner, out in enumerate(done.tensor_split(workers())):
        if len(out):
            dist.broadcast(out, owner)
    return done
