"""From a picture to the trunk's input: the plain view, which the product takes, and altered views for training."""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from .trunk import IMAGE_SIZE

MEAN, DEVIATION = 127, 128  # of pixels from 0 to 255, as EfficientNet-Lite was trained


def plain(image):
    """The short side resized to 260 pixels (bicubic), then the centre: CLIP's own rule."""
    width, height = image.size
    short = min(width, height)
    # As torchvision and the product: the long side is truncated.
    size = (IMAGE_SIZE, int(IMAGE_SIZE * height / width)) if width == short else (int(IMAGE_SIZE * width / height), IMAGE_SIZE)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - IMAGE_SIZE) / 2), round((size[1] - IMAGE_SIZE) / 2)
    return image.crop((left, top, left + IMAGE_SIZE, top + IMAGE_SIZE))


def altered(image, rng):
    """A random crop of a third of the area or more, maybe mirrored, with other colours, or grey, or coarser."""
    width, height = image.size
    area, ratio = rng.uniform(0.35, 1) * width * height, np.exp(rng.uniform(-0.25, 0.25))
    w, h = min(width, int(np.sqrt(area * ratio))), min(height, int(np.sqrt(area / ratio)))
    left, top = rng.integers(width - w + 1), rng.integers(height - h + 1)
    image = image.crop((left, top, left + w, top + h))
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    if rng.random() < 0.25:
        side = int(rng.uniform(48, 128))
        image = image.resize((side, side), Image.Resampling.BICUBIC)
    image = image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(0.6, 1.4))
    return ImageOps.grayscale(image).convert('RGB') if rng.random() < 0.15 else image


def native(image, rng):
    """The picture near its own size, mirrored at its edges to fill the square: as sharp as a full-size photograph is
    after it was shrunk, while the other views enlarge these small pictures and so blur them."""
    width, height = image.size
    scale = rng.uniform(1, 1.5) * max(1, 100 / min(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
    left, top = (int(rng.integers(max(0, side - IMAGE_SIZE) + 1)) for side in size)
    pixels = pixels[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]
    missing = [IMAGE_SIZE - side for side in pixels.shape[:2]]
    before = [int(rng.integers(gap + 1)) for gap in missing]
    pixels = np.pad(pixels, [(b, gap - b) for b, gap in zip(before, missing, strict=True)] + [(0, 0)], 'reflect')
    return recoloured(Image.fromarray(pixels), rng)


def recoloured(image, rng):
    """Maybe mirrored, with other colours, or grey."""
    if rng.random() < 0.5:
        image = ImageOps.mirror(image)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(0.6, 1.4))
    return ImageOps.grayscale(image).convert('RGB') if rng.random() < 0.15 else image


def tensor(image):
    pixels = np.asarray(image, dtype=np.float32).transpose(2, 0, 1)
    return (pixels - MEAN) / DEVIATION
