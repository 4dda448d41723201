#!/usr/bin/env python3
"""Record patch features that transformers computes from the tiny checkpoints; the tests of `--explain` compare with them.

    pip install torch transformers safetensors
    python3 test/golden/record_patches.py

Writes patches.json beside this file. The definition is taken at its word: the pooling of the model itself is run once for
each patch, and everything but that patch is hidden from it: by an attention mask, by a mean of one token, by a list of one
token. The pixels are a formula, the same here and in the test; a second run on the versions named in the file changes nothing.
"""
import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

HERE = Path(__file__).parent
FIXTURES = HERE.parent / 'fixtures'


def load(name, config_class, model_class):
    folder = FIXTURES / name
    model = model_class(config_class.from_pretrained(folder)).eval()
    state = {key: value.float() for key, value in load_file(folder / 'model.safetensors').items()}
    model.load_state_dict({key: value for key, value in state.items() if key in model.state_dict()}, strict=False)
    return model, state


def pixels(side):
    return torch.sin(torch.arange(3 * side * side, dtype=torch.float64) * 0.37).float().reshape(1, 3, side, side)


def class_token(name):
    """The last layer on [class token, patch]: from the class token itself is hidden, so that it sees the patch alone."""
    model, _ = load(name, transformers.CLIPConfig, transformers.CLIPModel)
    vision = model.vision_model
    tokens = vision.pre_layrnorm(vision.embeddings(pixels(vision.config.image_size)))
    *before, last = vision.encoder.layers
    for layer in before:
        tokens = first(layer(tokens, None))
    patches = tokens[0, 1:]
    pairs = torch.stack([tokens[0, :1].expand_as(patches), patches], 1)  # [grid², 2, width]
    mask = torch.zeros(1, 1, 2, 2)
    mask[..., 0, 0] = float('-inf')
    pooled = first(last(pairs, mask))[:, 0]
    return model.visual_projection(vision.post_layernorm(pooled))


def mean(name):
    """The last layer on one patch, and the mean over it."""
    model, state = load(name, transformers.CLIPConfig, transformers.CLIPModel)
    vision, embeddings = model.vision_model, model.vision_model.embeddings
    positions = state['vision_model.embeddings.position_embedding_2d']
    patches = (embeddings.patch_embedding(pixels(vision.config.image_size)) + positions).flatten(2).transpose(1, 2)
    tokens = torch.cat([embeddings.class_embedding.expand(1, 1, -1), patches], 1)
    tokens = vision.pre_layrnorm(tokens)
    *before, last = vision.encoder.layers
    for layer in before:
        tokens = first(layer(tokens, None))
    pooled = first(last(tokens[0, 1:, None], None)).mean(1)  # [grid², width]
    return model.visual_projection(vision.post_layernorm(pooled))


def attention(name):
    """SigLIP's head on a list of one token."""
    model, _ = load(name, transformers.SiglipConfig, transformers.SiglipModel)
    vision = model.vision_model
    tokens = vision.encoder(inputs_embeds=vision.embeddings(pixels(vision.config.image_size))).last_hidden_state
    tokens = vision.post_layernorm(tokens)[0]
    return vision.head(tokens[:, None])


def first(output):
    return output if isinstance(output, torch.Tensor) else output[0]


def main():
    cases = {'tiny-class': class_token, 'tiny-2d-mean-bf16': mean, 'tiny-siglip': attention}
    with torch.no_grad():
        rows = {name: record(name) for name, record in cases.items()}
    source = f'transformers {transformers.__version__} on PyTorch {torch.__version__}, float32'
    text = [f'{{\n "source": {json.dumps(source)},\n "cases": [']
    for name, features in rows.items():
        lines = [f'   {json.dumps([round(value, 7) for value in row])}' for row in features.tolist()]
        text.append(f'  {{"model": "{name}", "patches": [\n' + ',\n'.join(lines) + '\n  ]},')
    (HERE / 'patches.json').write_text('\n'.join(text).removesuffix(',') + '\n ]\n}\n')


if __name__ == '__main__':
    main()
