"""The image tower."""

import numpy as np
import torch

from .augment import batch_of, normalise
from .classes import load_training
from .groups import TOP
from .image_loss import ImageLoss
from .log import log
from .prompts import adopt_text, embed_names
from .shape import SEED
from .training import Training
from .workers import rank

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


def train_images(args, model):
    """The image tower, towards what the text tower makes of a prompt with each name: whatever that has learnt otherwise
    than it was taught, the pictures follow. Saves its weights and their average in the checkpoint."""
    tokenizer = adopt_text(args, model)
    classes, sets, _ = load_training(args)
    rows, tops = [embed_names(model, tokenizer, names) for names in (classes.names, TOP)]
    loss_of = ImageLoss(classes, rows, tops, args.device)
    training = Training(args, model, 'image', lambda name: name.startswith('vis'), args.minutes)
    log(f'{len(classes.names)} classes; image tower: step {training.step}, {training.clock.spent / 60:.1f} minutes done')
    generator = torch.Generator().manual_seed(SEED + training.step + 7919 * rank())

    def backward(progress):
        pixels, labels, rivals = batch_of(sets, args.batch, generator)
        keep = args.keep if progress < MASKED else 1.0
        with torch.autocast(args.device, torch.bfloat16):
            features = model.image(normalise(pixels.to(args.device)), keep)
        loss = loss_of(features.float(), labels.to(args.device), rivals)
        loss.backward()
        return float(loss.detach())

    def watch():
        log('  set aside:', check_images(model, training.average, loss_of, sets, args.device))

    training.run(backward, on_save=watch)
