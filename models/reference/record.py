#!/usr/bin/env python3
"""Records what PyTorch computes from the pictures next to this file and TEXTS, for `clip-classify models verify --reference`.

    python models/reference/record.py starter          (torch, numpy, pillow, safetensors, tokenizers) → starter.json here
    python models/reference/record.py <folder>         (transformers or open_clip_torch too) → reference.json in that folder
    python models/reference/record.py <folder> --diagram CLIP.png
                                                       also compares with the values in OpenAI's README, for ViT-B/32

A folder is what transformers' `save_pretrained` or open_clip's `push_to_hf_hub` wrote. Pictures are resized as Pillow does.
"""

import json
import sys
from pathlib import Path

import torch
from PIL import Image

HERE = Path(__file__).resolve().parent
PICTURES = ['astronaut.png', 'cat.png', 'coffee.png', 'rocket.png']
TEXTS = ['a photo of a cat', 'a cup of coffee', 'an astronaut', 'a rocket', 'a photo of a dog', 'Two words, and a comma']
# https://github.com/openai/CLIP, README.md: probabilities of its CLIP.png by ViT-B/32.
DIAGRAM = {'a diagram': 0.9927937, 'a dog': 0.00421068, 'a cat': 0.00299572}


def starter(images, texts):
    sys.path.insert(0, str(HERE.parent / 'starter'))
    from recipe import files, minilm
    from recipe.views import plain, tensor
    from tokenizers import Tokenizer

    model = files.read(HERE.parent / 'starter')
    pixels = torch.stack([torch.from_numpy(tensor(plain(image))) for image in images])
    tokenizer = Tokenizer.from_file(str(HERE.parent / 'starter' / 'tokenizer.json'))
    return model.visual(pixels), minilm.vectors(model.text, tokenizer, texts), model.logit_scale, None


def of_open_clip(folder):
    import open_clip

    model, prepare = open_clip.create_model_from_pretrained(f'local-dir:{folder}')
    tokenize = open_clip.get_tokenizer(f'local-dir:{folder}')
    model.eval()

    def embed(images, texts):
        pixels = torch.stack([prepare(image) for image in images])
        return model.encode_image(pixels), model.encode_text(tokenize(texts)), model.logit_scale, model.logit_bias

    return embed, f'open_clip {open_clip.__version__}'


def of_transformers(folder):
    import transformers

    model = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend='pil')
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    padding = {'padding': 'max_length', 'max_length': 64} if 'siglip' in model.config.model_type else {'padding': True}

    def embed(images, texts):
        inputs = tokenizer(texts, return_tensors='pt', truncation=True, **padding)
        out = model(**inputs, pixel_values=processor(images, return_tensors='pt').pixel_values)
        return out.image_embeds, out.text_embeds, model.logit_scale, getattr(model, 'logit_bias', None)

    return embed, f'transformers {transformers.__version__}'


def unit(vectors):
    return vectors / vectors.norm(dim=-1, keepdim=True)


@torch.no_grad()
def main(what, diagram):
    if what == 'starter':
        embed, library, target = starter, 'models/starter/recipe', HERE / 'starter.json'
    else:
        is_open_clip = (Path(what) / 'open_clip_config.json').exists()
        embed, library = (of_open_clip if is_open_clip else of_transformers)(what)
        target = Path(what) / 'reference.json'
    images, texts, scale, bias = embed([Image.open(HERE / name).convert('RGB') for name in PICTURES], TEXTS)
    cosines = unit(images) @ unit(texts).T
    recorded = {
        'source': f'PyTorch {torch.__version__}, {library}, float32',
        'pictures': PICTURES,
        'texts': TEXTS,
        'logitScale': scale.exp().item(),
        **({} if bias is None else {'logitBias': bias.item()}),
        'cosines': [[round(value, 7) for value in row] for row in cosines.tolist()],
    }
    target.write_text(json.dumps(recorded, indent=2, ensure_ascii=False) + '\n', 'utf-8')
    print(f'{target}: {len(PICTURES)} pictures and {len(TEXTS)} texts')
    if diagram:
        images, texts, scale, _ = embed([Image.open(diagram).convert('RGB')], list(DIAGRAM))
        scores = (scale.exp() * unit(images) @ unit(texts).T).softmax(-1)[0].tolist()
        for (text, published), score in zip(DIAGRAM.items(), scores):
            print(f'{text}: {score:.7f}, in OpenAI\'s README {published}')


if len(sys.argv) not in (2, 4):
    sys.exit(__doc__)
main(sys.argv[1], sys.argv[3] if len(sys.argv) == 4 else None)
