#!/usr/bin/env python3
"""Record the outside truth that the tests compare with.

    pip install torch torchvision transformers tokenizers open_clip_torch pillow safetensors
    python3 test/golden/record.py

Writes, beside this file, and under ../fixtures:

  fixtures/images/     odd little pictures, drawn here
  golden/pixels.json   what torchvision's Resize and CenterCrop make of them (Pillow underneath)
  fixtures/tiny-*/     CLIP checkpoints with random weights, as transformers saves them
  golden/tokens.json   token ids of open_clip's copy of OpenAI's tokenizer, on the vocabulary of tiny-class
  golden/models.json   embeddings, logits and probabilities that PyTorch computes from those checkpoints

Everything is seeded; a second run on the versions named in the files changes nothing.
"""
import gzip
import hashlib
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import PIL.ImageOps
import tokenizers
import torch
import torchvision
import transformers
from PIL import Image
from safetensors.torch import save_file
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F

HERE = Path(__file__).parent
FIXTURES = HERE.parent / 'fixtures'
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + '\n')


# ---------------------------------------------------------------- pictures

def waves(height, width, channels, seed):
    """A smooth colourful pattern with some noise: every kernel weight and the clamping at 0 and 255 matter."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = [130 + 150 * np.sin(x / (3 + k) + y / (5 + 2 * k) + k) for k in range(channels)]
    return np.clip(np.stack(planes, -1) + rng.normal(0, 10, (height, width, channels)), 0, 255).astype(np.uint8)


def draw_images(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rgb, grey = Image.fromarray(waves(60, 90, 3, 1)), Image.fromarray(waves(60, 90, 1, 2)[..., 0])
    save = lambda image, name, **options: image.save(folder / name, **options)
    save(rgb, 'rgb.png')
    save(Image.fromarray(waves(60, 90, 4, 3), 'RGBA'), 'rgba.png')
    save(grey, 'grey.png')
    save(Image.fromarray(waves(60, 90, 2, 4), 'LA'), 'grey-alpha.png')
    save(rgb.quantize(40), 'palette.png')
    save(grey.convert('1'), 'bilevel.png')
    save(Image.fromarray(waves(61, 83, 3, 5)), 'odd.jpg', quality=85, subsampling=2)
    save(rgb, 'progressive.jpg', quality=80, progressive=True)
    save(grey, 'grey.jpg', quality=80)
    save(rgb, 'lossless.webp', lossless=True)
    save(rgb, 'frame.gif')
    save(rgb, 'page.tiff')
    save(Image.fromarray(waves(1, 1, 3, 6)), 'one-pixel.png')
    save(Image.fromarray(waves(2, 400, 3, 7)), 'wide-strip.png')
    save(Image.fromarray(waves(400, 3, 3, 8)), 'tall-strip.png')
    save(Image.fromarray(waves(32, 33, 3, 9)), 'half-pixel-crop.png')
    save(Image.fromarray(waves(32, 32, 3, 10)), 'exact.png')
    exif = Image.Exif()
    exif[0x0112] = 6  # Orientation: the camera was turned, show it 90° clockwise
    save(Image.fromarray(waves(40, 70, 3, 11)), 'turned.jpg', quality=90, exif=exif)


def crop(image, size, interpolation):
    return F.center_crop(F.resize(image, size, interpolation), [size, size])


def squash(image, size, interpolation):
    """Columns first, then rows: what Pillow did with every model's training images. Since Pillow 13 it starts with the rows
    where the height shrinks much more than the width (python-pillow/Pillow#9549), which moves some pixels by one level."""
    return F.resize(F.resize(image, [image.height, size], interpolation), [size, size], interpolation)


def record_pixels(folder):
    digest = lambda image: hashlib.sha256(np.asarray(image).tobytes()).hexdigest()
    cases = []
    for path in sorted(folder.iterdir()):
        image = Image.open(path).convert('RGB')
        cases.append({
            'image': path.name,
            'bicubic32': digest(crop(image, 32, InterpolationMode.BICUBIC)),
            'bicubic224': digest(crop(image, 224, InterpolationMode.BICUBIC)),
            'bilinear50': digest(crop(image, 50, InterpolationMode.BILINEAR)),
            'squash24': digest(squash(image, 24, InterpolationMode.BICUBIC)),
        })
    upright = PIL.ImageOps.exif_transpose(Image.open(folder / 'turned.jpg'))
    write_json(HERE / 'pixels.json', {
        'source': f'torchvision {torchvision.__version__} on Pillow {PIL.__version__}: convert("RGB"), resize, center_crop; '
                  'sha256 of the crop as uint8 [S, S, 3]',
        'cases': cases,
        'turned': {'image': 'turned.jpg', 'bicubic32': digest(crop(upright, 32, InterpolationMode.BICUBIC))},
    })


# ---------------------------------------------------------------- tokenizer

WORDS = '''a photo of the cat dog bird car tree house small big red blue green black and white picture drawing an animal
vehicle plant building food flower horse ship truck frog deer airplane good bad bright dark painting sketch street'''.split()
START, END = '<|startoftext|>', '<|endoftext|>'
VOCABULARY = 600  # 256 bytes, 256 bytes that end a word, merges, start and end of text

TEXTS = [
    'a photo of a cat', 'A PHOTO OF A DOG.', '', 'a', '!', '...', '  spaces   between  ', 'tabs\tand\nlines\r\n',
    "it's a dog's life, isn't it? they'll've", "I'm, you're, we've, he'd", '123 4567 8.9', 't-shirt & jeans; shoes/boots',
    'rock &amp; roll', '5 &lt; 6 &gt; 4 &quot;quoted&quot; &#39;x&#39;', '&amp;lt; twice escaped', '&notanentity; &copy', 'caf&eacute;',
    'café', 'naïve façade', 'Ελληνικά', 'русский', '日本語の写真', '한국어', 'العربية', '🐱 and 🐶', '👩‍👩‍👧', 'a  b', 'x²',
    'straße', '½ cup', 'under_score', 'C++', '#hashtag @user', 'https://example.com/a?b=c', '{}', '<label>', 'a+b=c',
    '$100', '50 %', 'e-mail', "rock'n'roll", "''quoted''", 'mixedCASEword', 'ⅷ', '١٢٣', 'a...b', '--', '(parentheses)',
    'photoofacat', 'catdogbird', 'the quick brown fox jumps over the lazy dog',
]


def train_merges():
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix='</w>'))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=400, end_of_word_suffix='</w>', show_progress=False)
    bpe.train_from_iterator([' '.join(WORDS)] * 3, trainer)
    merges = [' '.join(pair) for pair in json.loads(bpe.to_str())['model']['merges']]
    return merges[: VOCABULARY - 512 - 2]


def byte_symbols():
    """GPT-2's map from bytes to printable characters, in the order of the vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(hidden))]


def tokenizer_json(merges):
    """The tokenizer.json that Hugging Face publishes for CLIP, on a small vocabulary in OpenAI's order."""
    symbols = byte_symbols()
    vocabulary = symbols + [s + '</w>' for s in symbols] + [''.join(m.split()) for m in merges] + [START, END]
    assert len(vocabulary) == VOCABULARY == len(set(vocabulary))
    ids = {token: n for n, token in enumerate(vocabulary)}
    special = lambda token: {'id': ids[token], 'content': token, 'single_word': False, 'lstrip': False, 'rstrip': False,
                             'normalized': False, 'special': True}
    return {
        'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': [special(START), special(END)],
        'normalizer': {'type': 'Sequence', 'normalizers': [
            {'type': 'NFC'}, {'type': 'Replace', 'pattern': {'Regex': r'\s+'}, 'content': ' '}, {'type': 'Lowercase'}]},
        'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [
            {'type': 'Split', 'behavior': 'Removed', 'invert': True, 'pattern': {
                'Regex': r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"}},
            {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True}]},
        'post_processor': {'type': 'RobertaProcessing', 'cls': [START, ids[START]], 'sep': [END, ids[END]],
                           'trim_offsets': False, 'add_prefix_space': False},
        'decoder': {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True},
        'model': {'type': 'BPE', 'dropout': None, 'unk_token': END, 'continuing_subword_prefix': '',
                  'end_of_word_suffix': '</w>', 'fuse_unk': False, 'vocab': ids, 'merges': merges},
    }


def openai_tokenizer(merges):
    with tempfile.NamedTemporaryFile(suffix='.txt.gz') as file:
        with gzip.open(file.name, 'wt') as lines:
            lines.write('\n'.join(['#version: small', *merges]))
        return open_clip.tokenizer.SimpleTokenizer(bpe_path=file.name)


def record_tokens(tokenizer):
    encode = lambda text: [VOCABULARY - 2, *tokenizer.encode(text), VOCABULARY - 1]
    write_json(HERE / 'tokens.json', {
        'source': f'open_clip {open_clip.__version__}, tokenizer.py: SimpleTokenizer.encode between start and end of text, on the '
                  'vocabulary of fixtures/tiny-class; its ftfy step, which is not reproduced, changes nothing that matters here',
        'cases': [{'text': text, 'ids': encode(text)} for text in TEXTS],
    })
    return encode


# ---------------------------------------------------------------- checkpoints

class TwoDimensionalMean(torch.nn.Module):
    """transformers' vision tower with a map of positions over the patches and the mean of all tokens."""

    def __init__(self, vision, grid):
        super().__init__()
        self.vision = vision
        width = vision.config.hidden_size
        self.map = torch.nn.Parameter(torch.randn(1, width, grid, grid) * 0.3)

    def forward(self, pixels):
        vision, embeddings = self.vision, self.vision.embeddings
        patches = (embeddings.patch_embedding(pixels) + self.map).flatten(2).transpose(1, 2)
        tokens = torch.cat([embeddings.class_embedding.expand(len(pixels), 1, -1), patches], 1)
        hidden = vision.encoder(inputs_embeds=vision.pre_layrnorm(tokens)).last_hidden_state
        return vision.post_layernorm(hidden.mean(1))


def clip_config(act, image, patch, widths, layers, heads, end_of_text, embedding):
    tower = lambda n: dict(hidden_size=widths[n], intermediate_size=4 * widths[n], num_hidden_layers=layers[n],
                           num_attention_heads=heads[n], hidden_act=act, projection_dim=embedding)
    return transformers.CLIPConfig(
        projection_dim=embedding,
        vision_config=dict(tower(0), image_size=image, patch_size=patch),
        text_config=dict(tower(1), vocab_size=VOCABULARY, max_position_embeddings=32, bos_token_id=VOCABULARY - 2,
                         eos_token_id=end_of_text, pad_token_id=0),
    )


def make_model(config, seed, scale):
    torch.manual_seed(seed)
    model = transformers.CLIPModel(config).eval()
    for name, parameter in model.named_parameters():
        # Wide enough that attention, activation and positions all show in the output.
        if parameter.dim() > 1:
            parameter.data = torch.randn_like(parameter) * (0.5 if 'embedding' in name else 1.3 * parameter.shape[-1] ** -0.5)
        else:
            parameter.data = parameter.data + torch.randn_like(parameter) * 0.1
    model.logit_scale.data = torch.tensor(math.log(scale))
    return model


def save_model(name, model, config, dtype, preprocessor, tokenizer, extra):
    """Rounds the model to `dtype` in place and writes the folder."""
    for parameter in [*model.parameters(), *extra.values()]:
        parameter.data = parameter.data.to(dtype).float()
    folder = FIXTURES / name
    folder.mkdir(parents=True, exist_ok=True)
    state = {k: v for k, v in model.state_dict().items() if 'position_ids' not in k}
    if extra:
        del state['vision_model.embeddings.position_embedding.weight']
    weights = folder / 'model.safetensors'
    save_file({k: v.to(dtype).contiguous() for k, v in {**state, **extra}.items()}, weights, metadata={'format': 'pt'})
    weights.chmod(0o644)
    write_json(folder / 'config.json', config)
    write_json(folder / 'preprocessor_config.json', preprocessor)
    write_json(folder / 'tokenizer.json', tokenizer)


def preprocessor(side, **changes):
    return {'do_resize': True, 'do_center_crop': True, 'do_rescale': True, 'do_normalize': True, 'do_convert_rgb': True,
            'rescale_factor': 1 / 255, 'resample': 3, 'size': {'shortest_edge': side}, 'crop_size': {'height': side, 'width': side},
            'image_mean': MEAN, 'image_std': STD, **changes}


def record_models(encode, tokenizer):
    cases = []
    specs = [
        # name, activation, image, patch, widths, layers, heads, end-of-text id in the config, D, dtype, logit scale
        ('tiny-class', 'quick_gelu', 32, 8, (32, 24), (2, 2), (4, 2), VOCABULARY - 1, 20, torch.float32, 40.0),
        ('tiny-gelu-f16', 'gelu', 42, 14, (24, 32), (3, 1), (2, 4), 2, 16, torch.float16, 12.5),
        ('tiny-2d-mean-bf16', 'quick_gelu', 40, 8, (24, 24), (2, 2), (3, 3), VOCABULARY - 1, 16, torch.bfloat16, 25.0),
    ]
    for seed, (name, act, size, patch, widths, layers, heads, end, embedding, dtype, scale) in enumerate(specs):
        config = clip_config(act, size, patch, widths, layers, heads, end, embedding)
        model = make_model(config, seed, scale)
        two_dimensional = TwoDimensionalMean(model.vision_model, size // patch) if '2d-mean' in name else None
        extra = {'vision_model.embeddings.position_embedding_2d': two_dimensional.map} if two_dimensional else {}
        written = config.to_dict()
        if two_dimensional:
            written['vision_config'].update(position_embedding_type='2d', pooling='mean')
        prepare = preprocessor(size, **({'resample': 2, 'size': {'height': size, 'width': size}} if name == 'tiny-gelu-f16' else {}))
        save_model(name, model, written, dtype, prepare, tokenizer, extra)

        def encode_images(pixels):
            pooled = two_dimensional(pixels) if two_dimensional else model.vision_model(pixels).pooler_output
            return model.visual_projection(pooled)

        def encode_texts(prompts):
            rows = [model.text_model(torch.tensor([encode(p)])).pooler_output for p in prompts]
            return model.text_projection(torch.cat(rows))

        def load(file):
            image = Image.open(FIXTURES / 'images' / file).convert('RGB')
            if name == 'tiny-gelu-f16':
                image = squash(image, size, InterpolationMode.BILINEAR)
            else:
                image = crop(image, size, InterpolationMode.BICUBIC)
            return F.normalize(F.to_tensor(image), MEAN, STD)

        files, labels = ['rgb.png', 'odd.jpg', 'tall-strip.png'], ['cat', 'small bird', 'house & tree']
        templates = ['a photo of a {}', 'the {} in a very bright street.']
        unit = lambda rows: rows / rows.norm(dim=-1, keepdim=True)
        rounded = lambda rows: [[round(float(v), 7) for v in row] for row in rows]
        with torch.no_grad():
            images = encode_images(torch.stack([load(file) for file in files]))
            prompts = [t.replace('{}', label) for label in labels for t in templates]
            texts = encode_texts(prompts)
            single, ensemble = unit(texts[0::2]), unit((unit(texts[0::2]) + unit(texts[1::2])) / 2)
            logit_scale = float(model.logit_scale.exp())
            ranked = lambda label_rows: {
                'cosines': rounded(unit(images) @ label_rows.t()),
                'probabilities': rounded((logit_scale * unit(images) @ label_rows.t()).softmax(-1)),
            }
            cases.append({
                'model': name, 'files': files, 'labels': labels, 'templates': templates, 'prompts': prompts,
                'logit_scale': logit_scale, 'image_embeds': rounded(images), 'text_embeds': rounded(texts),
                'first_template': ranked(single), 'ensemble': ranked(ensemble),
            })
    write_json(HERE / 'models.json', {
        'source': f'transformers {transformers.__version__} CLIPModel on PyTorch {torch.__version__}, float32 arithmetic; images by '
                  f'torchvision {torchvision.__version__} on Pillow {PIL.__version__}',
        'cases': cases,
    })


def main():
    draw_images(FIXTURES / 'images')
    record_pixels(FIXTURES / 'images')
    merges = train_merges()
    encode = record_tokens(openai_tokenizer(merges))
    record_models(encode, tokenizer_json(merges))


if __name__ == '__main__':
    main()
