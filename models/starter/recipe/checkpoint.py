"""Checkpoints: one file for each tower."""

import torch


def load_checkpoint(args, tower):
    """What save_checkpoint() wrote, if this run resumes one; else None."""
    return finished(args, tower) if args.resume else None


def save_checkpoint(args, tower, state):
    """Replaces the file in one go, so that an interruption leaves a whole one."""
    fresh = args.checkpoints / f'{tower}.new'
    torch.save(state, fresh)
    fresh.replace(args.checkpoints / f'{tower}.pt')


def finished(args, tower):
    """The checkpoint of a tower that this run has trained; None if it has not."""
    file = args.checkpoints / f'{tower}.pt'
    return torch.load(file, map_location=args.device, weights_only=False) if file.exists() else None
