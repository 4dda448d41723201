#!/usr/bin/env python3
"""Record the outside truth that the tests compare with.

    pip install torch torchvision transformers open_clip_torch pillow safetensors
    python3 test/golden/record.py

Writes, beside this file, and under ../fixtures:

  fixtures/images/     odd little pictures, drawn here
  golden/pixels.json   what torchvision's Resize and CenterCrop make of them (Pillow underneath)
  fixtures/tiny-*/     CLIP checkpoints with random weights, as transformers saves them
  golden/tokens.json   token ids of open_clip's copy of OpenAI's tokenizer, on the vocabulary of tiny-class
  golden/models.json   embeddings, logits and probabilities that PyTorch computes from those checkpoints

Everything is seeded; a second run on the versions named in the files changes nothing.
"""
import collections
import gzip
import hashlib
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import open_clip
import PIL.ImageOps
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


def crop_as_transformers(image, size):
    """transformers rounds the beginning of a crop down, torchvision half to even."""
    resized = F.resize(image, size, InterpolationMode.BICUBIC)
    left, top = (resized.width - size) // 2, (resized.height - size) // 2
    return resized.crop((left, top, left + size, top + size))


def squash(image, size, interpolation):
    return F.resize(image, [size, size], interpolation)


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
    """Byte-pair merges of the words above, the commonest pair first, ties in alphabetical order."""
    words = [[*word[:-1], word[-1] + '</w>'] for word in WORDS]
    merges = []
    while len(merges) < VOCABULARY - 512 - 2:
        pairs = collections.Counter(pair for word in words for pair in zip(word, word[1:]))
        (a, b), _ = min(pairs.items(), key=lambda item: (-item[1], item[0]))
        merges.append(f'{a} {b}')
        for word in words:
            for i in range(len(word) - 2, -1, -1):
                if word[i : i + 2] == [a, b]:
                    word[i : i + 2] = [a + b]
    return merges


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


def randomise(model, scale):
    """Wide enough that attention, activation, biases and positions all show in the output."""
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            spread = 0.5 if 'embed' in name or 'probe' in name else 1.3 * parameter.shape[-1] ** -0.5
            parameter.data = torch.randn_like(parameter) * spread
        else:
            parameter.data = parameter.data + torch.randn_like(parameter) * 0.1
    model.logit_scale.data = torch.full_like(model.logit_scale, math.log(scale))


def make_siglip(encode, tokenizer):
    """A SigLIP as transformers saves it; prompts are padded to the context with the pad token, "!"."""
    torch.manual_seed(10)
    tower = dict(hidden_size=24, intermediate_size=60, num_hidden_layers=2, num_attention_heads=3)
    config = transformers.SiglipConfig(
        vision_config=dict(tower, image_size=32, patch_size=8),
        text_config=dict(tower, vocab_size=VOCABULARY, max_position_embeddings=24, projection_size=24),
    )
    model = transformers.SiglipModel(config).eval()
    randomise(model, 10.0)
    model.logit_bias.data = torch.tensor([-1.5])
    prepare = preprocessor(32, size={'height': 32, 'width': 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
    for key in ('crop_size', 'do_center_crop'):
        del prepare[key]
    save_model('tiny-siglip', model, config.to_dict(), torch.float32, prepare, tokenizer, {})
    write_json(FIXTURES / 'tiny-siglip' / 'tokenizer_config.json', {'pad_token': '!', 'model_input_names': ['input_ids']})

    def encode_texts(prompts):
        ids = [encode(p.lower()) for p in prompts]
        return model.text_model(torch.tensor([row + [0] * (24 - len(row)) for row in ids])).pooler_output

    return {
        'name': 'tiny-siglip', 'model': model, 'logit_bias': -1.5, 'encode_texts': encode_texts,
        'encode_images': lambda pixels: model.vision_model(pixels).pooler_output,
        'load': lambda image: F.normalize(F.to_tensor(squash(image, 32, InterpolationMode.BICUBIC)), [0.5] * 3, [0.5] * 3),
    }


def make_open_clip(encode, tokenizer):
    """A CLIP as open_clip saves it."""
    torch.manual_seed(11)
    config = {
        'embed_dim': 20, 'quick_gelu': True,
        'vision_cfg': {'image_size': 32, 'layers': 2, 'width': 32, 'head_width': 8, 'patch_size': 8},
        'text_cfg': {'context_length': 32, 'vocab_size': VOCABULARY, 'width': 24, 'heads': 2, 'layers': 2},
    }
    model = open_clip.model.CLIP(**config).eval()
    randomise(model, 30.0)
    folder = FIXTURES / 'tiny-open-clip'
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / 'open_clip_model.safetensors'
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, weights)
    weights.chmod(0o644)
    write_json(folder / 'open_clip_config.json', {
        'model_cfg': config,
        'preprocess_cfg': {'mean': MEAN, 'std': STD, 'interpolation': 'bicubic', 'resize_mode': 'shortest'},
    })
    write_json(folder / 'tokenizer.json', tokenizer)
    padded = lambda p: (encode(p) + [0] * 32)[:32]
    return {
        'name': 'tiny-open-clip', 'model': model, 'encode_images': model.encode_image,
        'encode_texts': lambda prompts: model.encode_text(torch.tensor([padded(p) for p in prompts])),
        'load': lambda image: F.normalize(F.to_tensor(crop(image, 32, InterpolationMode.BICUBIC)), MEAN, STD),
    }


def make_clip(seed, name, act, size, patch, widths, layers, heads, end, embedding, dtype, scale, encode, tokenizer):
    """A CLIP as transformers saves it, or a variant of it with 2-D positions and mean pooling."""
    config = clip_config(act, size, patch, widths, layers, heads, end, embedding)
    torch.manual_seed(seed)
    model = transformers.CLIPModel(config).eval()
    randomise(model, scale)
    two_dimensional = TwoDimensionalMean(model.vision_model, size // patch) if '2d-mean' in name else None
    extra = {'vision_model.embeddings.position_embedding_2d': two_dimensional.map} if two_dimensional else {}
    written = config.to_dict()
    if two_dimensional:
        written['vision_config'].update(position_embedding_type='2d', pooling='mean')
    squashed = name == 'tiny-gelu-f16'
    prepare = preprocessor(size, **({'resample': 2, 'size': {'height': size, 'width': size}} if squashed else {}))
    save_model(name, model, written, dtype, prepare, tokenizer, extra)

    def encode_images(pixels):
        pooled = two_dimensional(pixels) if two_dimensional else model.vision_model(pixels).pooler_output
        return model.visual_projection(pooled)

    def encode_texts(prompts):
        rows = [model.text_model(torch.tensor([encode(p)])).pooler_output for p in prompts]
        return model.text_projection(torch.cat(rows))

    def load(image):
        fit = squash(image, size, InterpolationMode.BILINEAR) if squashed else crop_as_transformers(image, size)
        return F.normalize(F.to_tensor(fit), MEAN, STD)

    return {'name': name, 'model': model, 'encode_images': encode_images, 'encode_texts': encode_texts, 'load': load}


def record_models(encode, tokenizer):
    shared = (encode, tokenizer)
    models = [
        # seed, name, activation, image, patch, widths, layers, heads, end-of-text id in the config, D, dtype, logit scale
        make_clip(0, 'tiny-class', 'quick_gelu', 32, 8, (32, 24), (2, 2), (4, 2), VOCABULARY - 1, 20, torch.float32, 40.0, *shared),
        make_clip(1, 'tiny-gelu-f16', 'gelu', 42, 14, (24, 32), (3, 1), (2, 4), 2, 16, torch.float16, 12.5, *shared),
        make_clip(2, 'tiny-2d-mean-bf16', 'quick_gelu', 40, 8, (24, 24), (2, 2), (3, 3), VOCABULARY - 1, 16, torch.bfloat16, 25.0, *shared),
        make_open_clip(*shared),
        make_siglip(*shared),
    ]
    with torch.no_grad():
        write_json(HERE / 'models.json', {
            'source': f'transformers {transformers.__version__} and open_clip {open_clip.__version__} on PyTorch {torch.__version__}, '
                      f'float32 arithmetic; images by torchvision {torchvision.__version__} on Pillow {PIL.__version__}',
            'cases': [expected_of(**model) for model in models],
        })


def expected_of(name, model, encode_images, encode_texts, load, logit_bias=None):
    files, labels = ['rgb.png', 'odd.jpg', 'tall-strip.png'], ['cat', 'small bird', 'house & tree']
    templates = ['a photo of a {}', 'the {} in a very bright street.']
    prompts = [t.replace('{}', label) for label in labels for t in templates]
    images = encode_images(torch.stack([load(Image.open(FIXTURES / 'images' / file).convert('RGB')) for file in files]))
    texts = encode_texts(prompts)
    unit = lambda rows: rows / rows.norm(dim=-1, keepdim=True)
    rounded = lambda rows: [[round(float(v), 7) for v in row] for row in rows]
    logit_scale = float(model.logit_scale.exp())

    def ranked(label_rows):
        cosines = unit(images) @ label_rows.t()
        logits = logit_scale * cosines + (logit_bias or 0)
        probabilities = logits.softmax(-1) if logit_bias is None else logits.sigmoid()
        return {'cosines': rounded(cosines), 'probabilities': rounded(probabilities)}

    return {
        'model': name, 'files': files, 'labels': labels, 'templates': templates, 'prompts': prompts,
        'logit_scale': logit_scale, 'logit_bias': logit_bias or 0,
        'image_embeds': rounded(images), 'text_embeds': rounded(texts),
        'first_template': ranked(unit(texts[0::2])),
        'ensemble': ranked(unit((unit(texts[0::2]) + unit(texts[1::2])) / 2)),
    }


def main():
    draw_images(FIXTURES / 'images')
    record_pixels(FIXTURES / 'images')
    merges = train_merges()
    encode = record_tokens(openai_tokenizer(merges))
    record_models(encode, tokenizer_json(merges))


if __name__ == '__main__':
    main()
