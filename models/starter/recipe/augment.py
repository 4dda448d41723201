"""Batches of pictures, each time seen differently."""

import random

import torch
import torch.nn.functional as F

from .shape import IMAGE, MEAN, STD


def batch_of(sets, size, generator):
    """A mixed batch, augmented: pixels [B, 3, 32, 32] in 0..1, labels [B], and each picture's set of rivals."""
    pixels, labels, rivals = [], [], []
    shares = sum(s['share'] for s in sets.values())
    for s in sets.values():
        count = max(1, round(size * s['share'] / shares))
        drawn = torch.randint(len(s['labels']), (count,), generator=generator)
        x = s['pixels'][s['rows'][drawn].to(s['pixels'].device)].permute(0, 3, 1, 2).float() / 255
        pixels.append(x if x.shape[-1] == IMAGE else shrink(x))
        labels.append(s['labels'][drawn])
        rivals += [s['rivals']] * count
    return augment(torch.cat(pixels)), torch.cat(labels), rivals


def shrink(x):
    """Larger pictures to IMAGE: a random square each, by a filter drawn anew, as sharp photographs are met."""
    full = x.shape[-1]
    side = random.randint(round(full * 0.6), full)
    top, left = torch.randint(full - side + 1, (2, len(x))).tolist()
    x = torch.stack([p[:, y : y + side, z : z + side] for p, y, z in zip(x, top, left)])
    mode = random.choice(['bilinear', 'bicubic', 'area'])
    if mode == 'area':
        return F.interpolate(x, IMAGE, mode=mode)
    return F.interpolate(x, IMAGE, mode=mode, antialias=True, align_corners=False).clamp(0, 1)


def augment(x):
    """Half the pictures moved by whole pixels, half cropped and enlarged; flips; some blur, sharpening and light."""
    n = len(x)
    rand = lambda *shape: torch.rand(*shape, device=x.device)
    moved = rand(n) < 0.5
    scale = torch.where(moved, 1.0, 0.65 + 0.35 * rand(n))
    pixels = torch.randint(-3, 4, (n, 2), device=x.device) * 2 / IMAGE
    shift = torch.where(moved[:, None], pixels, (rand(n, 2) * 2 - 1) * (1 - scale)[:, None])
    flip = torch.where(rand(n) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale * flip, scale, shift
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode='reflection', align_corners=False)
    sharpen = torch.where(rand(n) < 0.3, rand(n) * 1.6 - 0.8, 0.0)[:, None, None, None]  # negative blurs
    x = x + sharpen * (x - F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
    lit = (rand(n, 1, 1, 1) < 0.3).float()
    contrast, light = 1 + lit * (rand(n, 1, 1, 1) - 0.5) * 0.6, lit * (rand(n, 1, 1, 1) - 0.5) * 0.3
    return ((x - 0.5) * contrast + 0.5 + light).clamp(0, 1)


def normalise(x):
    return (x - torch.tensor(MEAN, device=x.device)[:, None, None]) / torch.tensor(STD, device=x.device)[:, None, None]
