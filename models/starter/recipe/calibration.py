"""The logit scale: the one under which probabilities agree best with accuracy on held-aside pictures."""

import torch
import torch.nn.functional as F

from .measuring import measure

SCALES = [10 + 0.5 * n for n in range(101)]


@torch.no_grad()
def best_scale(probes, measured):
    """The scale whose larger calibration error over the probes is smallest. `measured(probe, scale)` measures one."""
    return min(SCALES, key=lambda scale: max(measured(probe, scale)['error'] for probe in probes))


def aside_probes(all_probes):
    """Held-aside everyday pictures, and CIFAR-10 training pictures that were held aside."""
    return [probe for probe in all_probes if probe.title in ('everyday: held-aside tenth, all its names', 'cifar10-train: held-aside pictures')]
