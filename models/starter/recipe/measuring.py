"""Accuracy by prompt on pictures that were not trained on, from cached features. The card's figures are measured
through the product instead (measure.mjs); these decide between settings."""

import json

import numpy as np
import torch

from .features import load_features
from .lessons import unseen_words
from .packs import HELD_OUT_CALTECH, SEED, aside, held_out_words, read_pack

BINS = 15


class Probe:
    """Pictures and the labels that they are told apart by."""

    def __init__(self, title, features, truths, labels):
        self.title, self.labels = title, labels
        self.features = torch.from_numpy(np.asarray(features)).float()
        self.truths = torch.from_numpy(np.asarray(truths))


def first_names(pack):
    return [names[0] for names in pack.classes]


def plain(folder, cache, name):
    pack = read_pack(folder, name)
    rows, features = load_features(folder, cache, name)
    return pack, rows, features


def compact(title, features, labels, names):
    """A probe among the names that occur."""
    present = sorted(set(labels.tolist()))
    where = {label: n for n, label in enumerate(present)}
    return Probe(title, features, [where[label] for label in labels.tolist()], [names[label] for label in present])


def probes(folder, cache, sources=(), all_names=False):
    """Every probe. If the held-out words and classes were learnt, too, they are measured on held-aside pictures only."""
    out = []
    unseen = set() if all_names else unseen_words(folder)
    for name in ('everyday', 'everyday-more'):
        pack, rows, features = plain(folder, cache, name)
        names = first_names(pack)
        kept = aside(pack)[rows]
        if not len(rows):
            continue
        seen = np.array([not unseen & set(c) for c in pack.classes])[pack.labels[rows]]
        out.append(compact(f'{name}: held-aside tenth, all its names', features[kept], pack.labels[rows][kept], names))
        out.append(compact(f'{name}: held-aside tenth, trained names', features[kept & seen], pack.labels[rows][kept & seen], names))
        if name == 'everyday':
            words = set(held_out_words(folder))
            mine = np.array([names[label] in words for label in pack.labels[rows]]) & (kept | (not all_names))
            out.append(compact('twenty held-out words', features[mine], pack.labels[rows][mine], names))
        for n, source in enumerate(pack.source_list):
            mine = pack.sources[rows] == n
            if source in sources and mine.sum() >= 10:
                out.append(compact(f'source {source.split("/")[-1][:40]}', features[mine], pack.labels[rows][mine], names))
    pack, rows, features = plain(folder, cache, 'imagenette-train')
    if len(rows):
        kept = aside(pack)[rows]
        out.append(compact('imagenette: held-aside pictures', features[kept], pack.labels[rows][kept], first_names(pack)))
    pack, rows, features = plain(folder, cache, 'cifar10-train')
    kept = aside(pack)[rows]
    out.append(compact('cifar10-train: held-aside pictures', features[kept], pack.labels[rows][kept], first_names(pack)))
    pack, rows, features = plain(folder, cache, 'caltech101')
    if len(rows):
        mine = np.array([bool(HELD_OUT_CALTECH & set(pack.classes[label])) for label in pack.labels[rows]])
        mine &= aside(pack)[rows] | (not all_names)
        out.append(compact('caltech101: ten held-out classes', features[mine], pack.labels[rows][mine], first_names(pack)))
    labels = json.loads((folder / 'eval-labels.json').read_text())
    pack, rows, features = plain(folder, cache, 'cifar10-test')
    for kind in ('names', 'synonyms'):
        if len(rows):
            out.append(Probe(f'cifar10-test, {kind}', features, pack.labels[rows], labels['cifar10'][kind]))
    pack, rows, features = plain(folder, cache, 'tiny-imagenet-val')
    if len(rows):
        out.append(Probe('tiny-imagenet-val, 200 names', features, pack.labels[rows], first_names(pack)))
        groups = labels['tiny-imagenet-groups']
        group = np.array([next((n for n, g in enumerate(groups.values()) if label in g), -1) for label in pack.labels[rows]])
        out.append(Probe('tiny-imagenet-val, six groups', features[group >= 0], group[group >= 0], list(groups)))
    return out


def calibration_error(scores, right):
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    return sum(abs(scores[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist()))


@torch.no_grad()
def measure(probe, head, materials, scale):
    images = head(probe.features, materials.trunk.classifier(probe.features))
    texts = materials.words(probe.labels)
    logits = scale * images @ texts.T
    ranks = (logits > logits.gather(1, probe.truths[:, None])).sum(1)
    return dict(
        first=(ranks == 0).float().mean().item(),
        five=(ranks < 5).float().mean().item(),
        error=calibration_error(logits.softmax(1).amax(1).numpy(), (ranks == 0).numpy()),
        count=len(ranks),
    )


@torch.no_grad()
def measure_background(probe, head, materials, labels_at_once=5, rounds=40):
    """With five labels at random: the share of right answers without and with the background class for pictures of
    these labels, and the share without a label for pictures of other things."""
    rng = np.random.default_rng(SEED)
    images = head(probe.features, materials.trunk.classifier(probe.features))
    scores = images @ materials.words(probe.labels).T
    neutral = (images @ materials.background().T).amax(1)
    without, kept, refused = [], [], []
    for _ in range(rounds):
        chosen = torch.from_numpy(rng.choice(len(probe.labels), min(labels_at_once, len(probe.labels) // 2), replace=False))
        best, position = scores[:, chosen].max(1)
        inside = torch.isin(probe.truths, chosen)
        right = chosen[position] == probe.truths
        without.append(right[inside].float().mean().item())
        kept.append((right & (best > neutral))[inside].float().mean().item())
        refused.append((best <= neutral)[~inside].float().mean().item())
    return dict(without=np.mean(without), kept=np.mean(kept), refused=np.mean(refused))


def line(probe, result, background):
    """Two lines of the table."""
    figures = f'{100 * result["first"]:5.1f} {100 * result["five"]:5.1f}  error {result["error"]:.3f}'
    shares = ', '.join(f'{name} {100 * share:.1f}' for name, share in background.items())
    return f'{probe.title:56} {figures}  {result["count"]} pictures, {len(probe.labels)} labels\n    background: {shares}'
