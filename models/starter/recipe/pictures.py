"""The packed sets of pictures: reading, decoding, and which pictures two sets share."""

import io
import json

import numpy as np
import torch
import torch.nn.functional as F


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
    """A set's pictures as decode() packs them; kept in the cache folder, from where workers share the memory."""
    file = cache / f'{name}.npy'
    if not file.exists():
        np.save(file, decode(read_set(folder, name)[0]))
    return np.load(file, mmap_mode='c')


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
