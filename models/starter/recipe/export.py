"""Writes the checkpoint that is shipped: weights in fp16, configuration, preprocessing, tokenizer."""

import json
import math
import platform

import numpy as np
import tokenizers
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from .checkpoint import finished
from .classes import SET_ASIDE, usable_rows
from .configuration import configuration, preprocessing, tokenizer_configuration
from .image_tower import embed_pictures
from .log import log
from .pictures import load_pixels, read_set
from .prompts import adopt_text, embed_names
from .shape import SEED


def export(args, model):
    """The averaged weights of the text tower and the last ones of the image tower, which ended on a rate of zero: on
    pictures set aside they do as well as their average or better."""
    image = finished(args, 'image')
    model.load_state_dict(image['weights'], strict=False)
    tokenizer = adopt_text(args, model)
    calibrate(args, model.eval(), tokenizer)
    args.out.mkdir(parents=True, exist_ok=True)
    save_weights(args.out / 'model.safetensors', model, image['step'])
    write_json(args.out / 'config.json', configuration())
    write_json(args.out / 'preprocessor_config.json', preprocessing())
    write_json(args.out / 'tokenizer.json', tokenizer)
    write_json(args.out / 'tokenizer_config.json', tokenizer_configuration())
    log(f'logit scale {model.logit_scale.exp().item():.1f}; {sum(p.numel() for p in model.parameters()):,} parameters')


def calibrate(args, model, tokenizer):
    """Set the logit scale to what makes set-aside CIFAR-10 training pictures likeliest, against their ten names."""
    _, labels, names = read_set(args.data, 'cifar10-train')
    aside = usable_rows(args.data, args.cache, 'cifar10-train')[0][:SET_ASIDE]
    pixels = load_pixels(args.data, args.cache, 'cifar10-train')[aside]
    labels = torch.from_numpy(labels[aside])
    cosines = embed_pictures(model, pixels, 'cpu') @ embed_names(model, tokenizer, [n[0] for n in names]).T
    scales = torch.linspace(math.log(3), math.log(100), 200).exp()
    losses = torch.stack([F.cross_entropy(cosines * s, labels) for s in scales])
    model.logit_scale.data = scales[losses.argmin()].log()


def save_weights(file, model, step):
    half = {n: p.detach().half().contiguous() for n, p in model.state_dict().items()}
    file.unlink(missing_ok=True)
    save_file(half, file, metadata={'format': 'pt', 'seed': str(SEED), 'image_steps': str(step), **versions()})
    file.chmod(0o644)


def versions():
    return {
        'python': platform.python_version(),
        'torch': torch.__version__,
        'numpy': np.__version__,
        'tokenizers': tokenizers.__version__,
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + '\n')
