"""Makes test/fixtures/heif: HEIC and animated AVIF of our own drawing, and what pillow-heif and Pillow decode from them.

Recorded with pillow-heif 1.8.1 (libheif) and Pillow 13.0.0:
    pip install pillow pillow-heif numpy && python test/golden/record_heif.py
"""

from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
FOLDER = Path(__file__).parent.parent / "fixtures" / "heif"
WIDTH, HEIGHT = 120, 90


def drawing() -> Image.Image:
    """A smooth picture without any symmetry."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    red = 255 * x / WIDTH
    green = 255 * y / HEIGHT
    blue = 127 + 120 * np.sin(x / 17) * np.cos(y / 11)
    return Image.fromarray(np.stack([red, green, blue], axis=2).astype(np.uint8), "RGB")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    picture = drawing()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(FOLDER / "photo.heic", quality=90)
    picture.save(FOLDER / "turned.heic", quality=90, exif=exif.tobytes())
    clear = picture.copy()
    clear.putalpha(Image.fromarray(np.where(np.arange(WIDTH) < WIDTH // 2, 0, 255).astype(np.uint8)[None].repeat(HEIGHT, 0)))
    clear.save(FOLDER / "clear.heic", quality=90)
    frames = [picture, picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
    frames[0].save(FOLDER / "loop.avif", save_all=True, append_images=frames[1:], quality=90)
    for name in ["photo.heic", "turned.heic", "loop.avif"]:
        decoded = Image.open(FOLDER / name)
        decoded.convert("RGB").save((FOLDER / name).with_suffix(".png"), optimize=True)


main()
