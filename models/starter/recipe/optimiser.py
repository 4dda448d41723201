"""Muon and AdamW under one schedule, and the average of the weights."""

import torch


class Muon:
    """Momentum whose update is replaced by the nearest (semi-)orthogonal matrix, found by Newton-Schulz iteration
    (Jordan et al. 2024). Matrices of one shape are done together."""

    def __init__(self, parameters, momentum=0.95, decay=0.05):
        self.shapes, self.momentum, self.decay = {}, momentum, decay
        for p in parameters:
            self.shapes.setdefault(tuple(p.shape), []).append(p)
        self.buffers = {shape: torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.shapes.items()}

    @torch.no_grad()
    def step(self, rate):
        for shape, ps in self.shapes.items():
            gradient = torch.stack([p.grad for p in ps])
            buffer = self.buffers[shape].mul_(self.momentum).add_(gradient)
            update = orthogonalise(gradient + self.momentum * buffer) * max(1, shape[0] / shape[1]) ** 0.5
            for p, u in zip(ps, update):
                p.mul_(1 - rate * self.decay).sub_(u, alpha=rate)
                p.grad = None


def orthogonalise(x, steps=5):
    """The polar factor of each matrix of [K, rows, columns], roughly: all singular values within about 0.7 to 1.2."""
    a, b, c = 3.4445, -4.7750, 2.0315
    turned = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if turned else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = x.bfloat16()
    for _ in range(steps):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return (x.transpose(1, 2) if turned else x).float()


class Optimiser:
    """Muon for the matrices of the blocks, AdamW for everything else, both under one schedule."""

    def __init__(self, named, matrix_rate=0.02, other_rate=2e-3):
        named = list(named)
        blocks = [p for n, p in named if '.layers.' in n and p.dim() == 2]
        others = [p for n, p in named if not ('.layers.' in n and p.dim() == 2)]
        self.muon, self.matrix_rate, self.other_rate = Muon(blocks), matrix_rate, other_rate
        self.adam = torch.optim.AdamW(
            [
                {'params': [p for p in others if p.dim() > 1], 'weight_decay': 0.01},
                {'params': [p for p in others if p.dim() <= 1], 'weight_decay': 0.0},
            ],
            betas=(0.9, 0.98),
        )

    def step(self, factor):
        self.muon.step(self.matrix_rate * factor)
        for group in self.adam.param_groups:
            group['lr'] = self.other_rate * factor
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def state(self):
        return {'muon': self.muon.buffers, 'adam': self.adam.state_dict()}

    def load(self, state):
        for shape, buffer in state['muon'].items():
            self.muon.buffers[shape].copy_(buffer)
        self.adam.load_state_dict(state['adam'])


def schedule(progress, warmup=0.03):
    """The learning rate's factor: a short rise, a plateau, then linearly down to zero from 30 % on."""
    return min(1.0, progress / warmup, (1 - progress) / 0.7)


class Average:
    """Exponential moving average of the weights; younger while training is young."""

    def __init__(self, named):
        self.named, self.weights, self.count = named, {n: p.detach().clone() for n, p in named}, 0

    def load(self, weights, count):
        self.weights, self.count = {n: weights[n] for n in self.weights}, count

    @torch.no_grad()
    def update(self, decay=0.997):
        self.count += 1
        rate = 1 - min(decay, (1 + self.count) / (10 + self.count))
        for n, p in self.named:
            self.weights[n].lerp_(p, rate)
