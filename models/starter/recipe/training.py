"""The head is trained on cached features, with three losses: names, the trunk's own classes, and wider words."""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from .log import log
from .packs import SEED
from .words import TEMPLATES

# Pictures of each group in a batch.
BATCH = {'everyday': 320, 'imagenette': 64, 'tiny-imagenet': 160, 'caltech': 64, 'cifar': 128, 'clipart': 32, 'emoji': 32}
DRAWN = ('clipart', 'emoji')  # the last groups: they have no place among photographed classes
SCALE = 20.0
FEW_LABELS = 8  # in a lesson about the background


@dataclass
class Settings:
    steps: int
    seed: int
    classes_weight: float  # of the loss that keeps what the trunk's classifier sees
    ancestors_weight: float  # of the loss that does this for wider words
    background_weight: float = 0.0
    dropout: float = 0.2
    rate: float = 2e-3
    decay: float = 0.05
    broader_weight: float = 0.5
    altered: float = 0.6  # share of the steps that show an altered view


# The shipped head joins three, which make different mistakes.
RUNS = [
    Settings(steps=1500, seed=24, classes_weight=1.5, ancestors_weight=1.0),
    Settings(steps=2200, seed=26, classes_weight=1.0, ancestors_weight=1.5, dropout=0.3),
    Settings(steps=2200, seed=27, classes_weight=1.5, ancestors_weight=1.5, dropout=0.3, background_weight=0.3),
]


def continued(run):
    """The second part of a run, with all names: it starts from a head that knows most of them, so it is short and careful."""
    return replace(run, steps=400, seed=run.seed + 10, rate=6e-4)


class Names:
    """The names of a list of classes, of which each step takes others."""

    def __init__(self, words, lists):
        self.words = words
        self.rows = [torch.tensor([words.index[name] for name in names]) for names in lists]
        self.first = torch.stack([rows[0] for rows in self.rows])
        self.padded = torch.nn.utils.rnn.pad_sequence(self.rows, batch_first=True)
        self.counts = torch.tensor([len(rows) for rows in self.rows])

    def choose(self, rng):
        """One name of each class: the first in half of the cases, else any, in the default phrasing or another."""
        count = len(self.first)
        column = (torch.rand(count, generator=rng) * self.counts).long()
        any_name = self.padded.gather(1, column[:, None])[:, 0]
        rows = torch.where(torch.rand(count, generator=rng) < 0.5, self.first, any_name)
        template = 0 if torch.rand((), generator=rng) < 0.5 else int(torch.randint(len(TEMPLATES), (), generator=rng))
        return self.words.vectors[rows, template]


def unclear_pairs(words, group):
    """Pairs of classes that are no opposites: a name or a wider word of one is a name of the other, or nearly."""
    vectors = words([names[0] for names in group.names])
    pairs = vectors @ vectors.T > 0.93
    for a, names in enumerate(group.names):
        for b, others in enumerate(group.names):
            if set(names) & set(others) or group.broader[a] & set(others):
                pairs[a, b] = True
    return pairs.fill_diagonal_(False)


def pick(group, count, altered, rng):
    """Features and labels of random pictures; a share of them from an altered view."""
    view = 0
    if len(group.views) > 1 and torch.rand((), generator=rng) < altered:
        view = 1 + int(torch.randint(len(group.views) - 1, (), generator=rng))
        if len(group.views[view]) < count:
            view = 0
    chosen = torch.randint(len(group.views[view]), (count,), generator=rng)
    return group.views[view][chosen].float(), group.labels[group.view_rows[view][chosen]]


def background_loss(images, labels, names, pairs, neutral, rng):
    """Few labels, the right one among them in half of the cases; in the others a neutral prompt is right."""
    few = torch.randperm(len(names), generator=rng)[:FEW_LABELS]
    present = torch.rand(len(labels), generator=rng) < 0.5
    doubtful = pairs[labels][:, few] | (few == labels[:, None])
    others = (SCALE * images @ names[few].T).masked_fill(doubtful, -1e4)
    right = (SCALE * (images * names[labels]).sum(1)).masked_fill(~present, -1e4)
    background = (SCALE * images @ neutral.T).amax(1)
    return F.cross_entropy(torch.cat([right[:, None], background[:, None], others], 1), (~present).long())


def train(head, groups, materials, settings):
    words, classifier = materials.words, materials.trunk.classifier
    members = torch.from_numpy(materials.ancestry.members)
    common = members.sum(1)
    neutral = materials.background()
    rng = torch.Generator().manual_seed(settings.seed)
    torch.manual_seed(settings.seed)
    moving = [p for p in head.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(moving, settings.rate, betas=(0.9, 0.98), weight_decay=settings.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.rate, total_steps=settings.steps, pct_start=0.1)
    pairs = {name: unclear_pairs(words, group) for name, group in groups.items()}
    wide = {}
    names = {name: Names(words, group.names) for name, group in groups.items()}
    classes, above = Names(words, materials.class_names), Names(words, materials.ancestry.names)
    for name, group in groups.items():
        broad = sorted(set().union(*group.broader)) if group.broader else []
        if broad:
            truth = torch.tensor([[w in b for w in broad] for b in group.broader])
            wide[name] = (Names(words, [[w] for w in broad]), truth)

    head.train()
    for step in range(settings.steps):
        picked = {name: pick(group, BATCH[name], settings.altered, rng) for name, group in groups.items() if group.size}
        features = torch.cat([f for f, _ in picked.values()])
        with torch.no_grad():
            logits = classifier(features)
            posterior = logits.softmax(-1)
        images = head(F.dropout(features, settings.dropout), logits)
        loss, start, total = 0.0, 0, len(features)
        for name, (f, labels) in picked.items():
            mine = images[start : start + len(f)]
            scores = SCALE * mine @ names[name].choose(rng).T
            loss = loss + F.cross_entropy(scores.masked_fill(pairs[name][labels], -1e4), labels) * len(f) / total
            if name in wide:
                broad, truth = wide[name]
                true = truth[labels]
                rows = true.any(1)
                target = torch.multinomial(true[rows].float(), 1, generator=rng)[:, 0]
                scores = SCALE * mine[rows] @ broad.choose(rng).T
                others = true[rows].clone()
                others[torch.arange(len(target)), target] = False
                loss = loss + settings.broader_weight * F.cross_entropy(scores.masked_fill(others, -1e4), target) * int(rows.sum()) / total
            if name not in DRAWN:
                loss = loss + settings.background_weight * background_loss(mine, labels, names[name].choose(rng), pairs[name], neutral, rng) * len(f) / total
            start += len(f)
        photographs = slice(0, sum(len(f) for name, (f, _) in picked.items() if name not in DRAWN))
        scores = SCALE * images[photographs] @ classes.choose(rng).T
        loss = loss + settings.classes_weight * F.cross_entropy(scores, posterior[photographs])
        some = torch.multinomial(common, 48, generator=rng)
        target = posterior[photographs] @ members[some].T
        mass = target.sum(1, keepdim=True)
        scores = SCALE * images[photographs] @ above.choose(rng)[some].T
        each = -(target / mass.clamp_min(1e-6) * scores.log_softmax(1)).sum(1)
        loss = loss + settings.ancestors_weight * (each * mass[:, 0].clamp(max=1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            log(f'step {step + 1}: loss {loss.item():.3f}, scale {head.posterior.scale.item():.2f}')
    return head.eval()
