"""Words above the classes, moved a little to where the pictures are."""

import torch
import torch.nn.functional as F

from .augment import batch_of, normalise
from .classes import load_training
from .groups import GROUPS, TOP
from .image_loss import ImageLoss
from .log import log
from .shape import SEED
from .targets import class_targets, group_targets

SETS = ('tiny-imagenet-train', 'imagenette-train')  # the widest choice of classes
PICTURES, PULL = 20000, 10.0


def fit_groups(args, model, targets):
    """Saves groups.pt: a unit vector for each word of TOP, fitted by cross-entropy on the averaged image tower's
    features of training pictures and pulled strongly towards the word's target: `animal` covers so many classes that
    half its meaning and half their mean is a few degrees off what tells animals from the rest."""
    model.load_state_dict(torch.load(args.checkpoints / 'image.pt', map_location=args.device)['average'], strict=False)
    classes, sets, _ = load_training(args)
    rows = class_targets(targets, classes)
    groups = group_targets(targets, classes, rows)
    targets_of_top = groups[[list(GROUPS).index(word) for word in TOP]].to(args.device)
    top_of = ImageLoss(classes, rows, groups, args.device).top
    generator = torch.Generator().manual_seed(SEED)
    pixels, labels, _ = batch_of({name: sets[name] for name in SETS}, PICTURES, generator)
    with torch.no_grad():
        features = torch.cat([model.image(normalise(part.to(args.device))) for part in pixels.split(250)])
    truth = top_of[labels]
    vectors = pulled_fit(features[truth >= 0], truth[truth >= 0], targets_of_top)
    torch.save({word: v.cpu() for word, v in zip(TOP, vectors)}, args.checkpoints / 'groups.pt')
    before, after = [accuracy(features, truth, v) for v in (targets_of_top, vectors)]
    log(f'{len(TOP)} words above the classes: {before:.3f} of training pictures before the fit, {after:.3f} after')


def pulled_fit(features, truth, start, steps=150):
    vectors, scale = start.clone().requires_grad_(True), torch.tensor(2.3, requires_grad=True, device=start.device)
    adam = torch.optim.Adam([vectors, scale], lr=0.02)
    for _ in range(steps):
        unit = F.normalize(vectors, dim=1)
        away = (1 - (unit * start).sum(1)).mean()
        loss = F.cross_entropy(scale.exp() * features @ unit.T, truth) + PULL * away
        adam.zero_grad()
        loss.backward()
        adam.step()
    return F.normalize(vectors.detach(), dim=1)


def accuracy(features, truth, vectors):
    guess = (features @ vectors.T).argmax(1)
    return (guess == truth)[truth >= 0].float().mean().item()
