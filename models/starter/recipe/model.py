"""The whole model: image and text encoder, and the logit scale. Tensor names are those of the shipped file."""

import math

import torch
from torch import nn

from .head import Head
from .text import TextEncoder
from .trunk import Trunk


class ImageEncoder(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.trunk = Trunk()
        self.head = head

    def forward(self, pixels):
        features = self.trunk.features(self.trunk.stem(pixels)).mean((2, 3))
        return self.head(features, self.trunk.classifier(features))


class Starter(nn.Module):
    def __init__(self, vocabulary, head=None):
        super().__init__()
        self.visual = ImageEncoder(head or Head())
        self.text = TextEncoder(vocabulary)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(20.0)))
