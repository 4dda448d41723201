"""The image tower."""

import numpy as np
import torch

from .augment import batch_of, normalise
from .checkpoint import load_checkpoint, save_checkpoint
from .classes import load_training
from .clock import Clock
from .image_loss import ImageLoss
from .log import log
from .optimiser import Average, Optimiser, schedule
from .shape import SEED
from .targets import class_targets, group_targets
from .workers import agreed, average_weights, one_round, rank

MASKED = 0.86  # share of the time in which patches are dropped (FLIP, Li et al. 2023)


@torch.no_grad()
def embed_pictures(model, pixels, device):
    """uint8 [N, 32, 32, 3] to unit features [N, EMBED]."""
    out = []
    for part in torch.from_numpy(np.ascontiguousarray(pixels)).split(250):
        out.append(model.image(normalise(part.to(device).permute(0, 3, 1, 2).float() / 255)).cpu())
    return torch.cat(out)


def check_images(model, average, loss, sets, device):
    """Accuracy of the averaged weights on training pictures that were set aside."""
    own = {n: p.detach().clone() for n, p in model.named_parameters()}
    model.load_state_dict(average.weights, strict=False)
    words = []
    for name, s in sets.items():
        if len(s['check'][0]):
            logits = (
                embed_pictures(model, s['check'][0], device) @ loss.rows.cpu().T
                + loss.shut[loss.rival_kinds[s['rivals']]].cpu()
            )
            words.append(f'{name} {(logits.argmax(1) == s["check"][1]).float().mean():.3f}')
    model.load_state_dict(own, strict=False)
    return ', '.join(words)


def train_images(args, model, targets):
    """The image tower; saves its weights and their average in the checkpoint."""
    classes, sets, _ = load_training(args)
    rows = class_targets(targets, classes)
    loss_of = ImageLoss(classes, rows, group_targets(targets, classes, rows), args.device)
    named = [(n, p) for n, p in model.named_parameters() if n.startswith('vis') or n == 'logit_scale']
    optimiser, average, step, spent = Optimiser(named), Average(named), 0, 0.0
    state = load_checkpoint(args, 'image')
    if state:
        model.load_state_dict(state['weights'], strict=False)
        optimiser.load(state['optimiser'])
        average.load(state['average'], state['count'])
        step, spent = state['step'], state['spent']
    log(f'{len(classes.names)} classes; image tower: step {step}, {spent / 60:.1f} minutes done')
    generator = torch.Generator().manual_seed(SEED + step + 7919 * rank())
    clock, last_check = Clock(args.minutes, spent, args.until), spent

    def one_step(progress):
        pixels, labels, rivals = batch_of(sets, args.batch, generator)
        keep = args.keep if progress < MASKED else 1.0
        with torch.autocast(args.device, torch.bfloat16):
            features = model.image(normalise(pixels.to(args.device)), keep)
        loss = loss_of(features.float(), model.logit_scale.exp().clamp(max=100), labels.to(args.device), rivals)
        loss.backward()
        optimiser.step(args.peak * schedule(progress))
        average.update()
        clock.tick()
        return float(loss.detach())

    while (progress := agreed(clock.progress())) < 1:
        losses = one_round(one_step, progress)
        step += average_weights([p for _, p in named], len(losses))
        if rank() > 0:
            continue
        log(f'step {step} {clock.spent / 60:.1f} min {progress:.1%} loss {np.mean(losses):.3f}')
        if clock.spent - last_check > 300 or clock.progress() == 1:
            last_check = clock.spent
            save_checkpoint(
                args,
                'image',
                {
                    'weights': dict(named),
                    'optimiser': optimiser.state(),
                    'average': average.weights,
                    'count': average.count,
                    'spent': clock.spent,
                    'step': step,
                    'pictures': step * args.batch,
                },
            )
            log('  set aside:', check_images(model, average, loss_of, sets, args.device))
