"""The shipped files: float16 tensors, and 8-bit integers with a scale for each row for the matrices of the text encoder."""

import hashlib
import json
import re

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from . import text, trunk
from .head import Head
from .model import Starter

SCALE = '_scale'


def is_int8(name):
    """Matrices of the text encoder; each row of the word embeddings is one token."""
    return re.fullmatch(r'text\.transformer\.(encoder\..*|embeddings\.word_embeddings)\.weight', name) and 'LayerNorm' not in name


def rounded(weight):
    """8-bit integers and a scale for each row."""
    scale = weight.abs().amax(1).clamp_min(1e-12) / 127
    return (weight / scale[:, None]).round().to(torch.int8), scale


def packed(model):
    out = {}
    for name, weight in model.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        if is_int8(name):
            out[name], out[name + SCALE] = rounded(weight.float())
        elif name == 'logit_scale':
            out[name] = weight.float()
        else:
            out[name] = weight.to(torch.float16)
    return {name: tensor.contiguous() for name, tensor in out.items()}


def unpacked(path):
    """The state that the file describes, in float32."""
    with safe_open(path, 'pt') as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    return {
        name: tensor.float() * tensors[name + SCALE][:, None] if tensor.dtype == torch.int8 else tensor.float()
        for name, tensor in tensors.items()
        if not name.endswith(SCALE) or tensor.dim() == 0
    }


def config(vocabulary):
    return {
        'model_type': 'clip_classify_starter',
        'projection_dim': text.WIDTH,
        'vision_config': {'model_type': 'tf_efficientnet_lite2', 'image_size': trunk.IMAGE_SIZE},
        'text_config': {
            'model_type': 'bert',
            'pooling': 'mean',
            'hidden_size': text.WIDTH,
            'num_hidden_layers': text.LAYERS,
            'num_attention_heads': text.HEADS,
            'intermediate_size': text.HIDDEN,
            'hidden_act': 'gelu',
            'layer_norm_eps': text.EPSILON,
            'max_position_embeddings': text.CONTEXT,
            'vocab_size': vocabulary,
            'pad_token_id': 0,
        },
    }


PREPROCESSOR = {
    'image_processor_type': 'CLIPImageProcessor',
    'do_convert_rgb': True,
    'do_resize': True,
    'size': {'shortest_edge': trunk.IMAGE_SIZE},
    'resample': 3,
    'do_center_crop': True,
    'crop_size': {'height': trunk.IMAGE_SIZE, 'width': trunk.IMAGE_SIZE},
    'do_rescale': True,
    'rescale_factor': 1 / 255,
    'do_normalize': True,
    'image_mean': [127 / 255] * 3,
    'image_std': [128 / 255] * 3,
}
TOKENIZER = {
    'tokenizer_class': 'BertTokenizer',
    'do_lower_case': True,
    'cls_token': '[CLS]',
    'sep_token': '[SEP]',
    'pad_token': '[PAD]',
    'unk_token': '[UNK]',
    'mask_token': '[MASK]',
    'model_max_length': text.CONTEXT,
}


def write(folder, model, tokenizer, metadata):
    folder.mkdir(parents=True, exist_ok=True)
    save_file(packed(model), folder / 'model.safetensors', metadata)
    tokenizer.save(str(folder / 'tokenizer.json'), pretty=False)
    contents = {
        'config': config(model.text.transformer.embeddings.word_embeddings.num_embeddings),
        'preprocessor_config': PREPROCESSOR,
        'tokenizer_config': TOKENIZER,
    }
    for name, content in contents.items():
        (folder / f'{name}.json').write_text(json.dumps(content, indent=1) + '\n')
    write_checksums(folder)


def write_checksums(folder):
    """The sha256 of each file; the product compares them, so that a damaged installation is noticed."""
    names = ['config.json', 'model.safetensors', 'preprocessor_config.json', 'tokenizer.json', 'tokenizer_config.json']
    checksums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / 'checksums.json').write_text(json.dumps(checksums, indent=2) + '\n')


def read(folder):
    """The model as PyTorch computes it from the shipped files."""
    state = unpacked(folder / 'model.safetensors')
    vocabulary = state['text.transformer.embeddings.word_embeddings.weight'].shape[0]
    model = Starter(vocabulary, Head(hidden=state['visual.head.mlp.fc1.bias'].shape[0]))
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any(not name.endswith('num_batches_tracked') for name in missing):
        raise ValueError(f'{folder}: missing {missing}, unexpected {unexpected}')
    return model.eval()
