"""The head over the trunk, into the space of the texts. It adds two vectors and takes the sum's direction:

1. what the trunk's own classifier sees: the text vectors of its thousand class names, weighted by their probabilities
   (Norouzi et al. 2014, "Zero-shot learning by convex combination of semantic embeddings");
2. a correction that is learnt from pictures with other names: a perceptron over the mean of the trunk's map.

The correction starts at zero, so that a picture of a kind that the training lacks keeps what the classifier sees.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .text import WIDTH as TEXT_WIDTH
from .trunk import CLASSES, FEATURES


class ClassPosterior(nn.Module):
    def __init__(self, class_vectors):
        super().__init__()
        self.class_vectors = nn.Parameter(class_vectors, requires_grad=False)
        self.scale = nn.Parameter(torch.tensor(1.5))

    def forward(self, logits):
        return self.scale * F.normalize(logits.softmax(-1) @ self.class_vectors, dim=-1)


HIDDEN = 512
# The share of their mean that the class vectors lose after training. 118 of the thousand classes are dogs, so a picture
# of something that the classifier does not know would else lean towards dogs.
CENTRED = 0.2
# How far the heads go towards what they learn from all names (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
# models"): a part of the way keeps more of what the classifier sees.
LEARNT = 0.75


class Perceptron(nn.Module):
    def __init__(self, hidden=HIDDEN):
        super().__init__()
        self.fc1 = nn.Linear(FEATURES, hidden)
        self.fc2 = nn.Linear(hidden, TEXT_WIDTH, bias=False)
        nn.init.zeros_(self.fc2.weight)

    def forward(self, features):
        return self.fc2(F.gelu(self.fc1(features)))


class Head(nn.Module):
    def __init__(self, class_vectors=None, hidden=HIDDEN):
        super().__init__()
        self.posterior = ClassPosterior(torch.zeros(CLASSES, TEXT_WIDTH) if class_vectors is None else class_vectors)
        self.mlp = Perceptron(hidden)

    def forward(self, features, logits):
        return F.normalize(self.posterior(logits) + self.mlp(features), dim=-1)


def between(first, last):
    """LEARNT of the way from one head to what it became in further training, weight by weight."""
    head, further = Head(hidden=first.mlp.fc1.out_features), last.state_dict()
    head.load_state_dict({name: torch.lerp(weight, further[name], LEARNT) for name, weight in first.state_dict().items()})
    return head


@torch.no_grad()
def joined(heads):
    """Joins heads: the correction of the new head is the mean of their corrections. It has the hidden units of all of them."""
    perceptrons = [head.mlp for head in heads]
    vectors = heads[0].posterior.class_vectors
    out = Head(vectors - CENTRED * vectors.mean(0), sum(p.fc1.out_features for p in perceptrons))
    out.mlp.fc1.weight.copy_(torch.cat([p.fc1.weight for p in perceptrons]))
    out.mlp.fc1.bias.copy_(torch.cat([p.fc1.bias for p in perceptrons]))
    out.mlp.fc2.weight.copy_(torch.cat([p.fc2.weight for p in perceptrons], 1) / len(heads))
    scales = [head.posterior.scale for head in heads]
    out.posterior.scale.copy_(sum(scales) / len(scales))
    return out.eval()
