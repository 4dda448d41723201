"""The shape of the model, and the seed."""

SEED = 20240607
IMAGE, PATCH, EMBED = 32, 4, 256
VISION = dict(width=192, layers=6, heads=3)
TEXT = dict(width=192, layers=4, heads=3, context=32, vocab=6000)
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's
