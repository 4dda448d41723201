"""The text encoder: the BERT of all-MiniLM-L6-v2, and the mean of its last states over the tokens.

Module names under `transformer` are those of Hugging Face's `BertModel`.
"""

import torch
import torch.nn.functional as F
from torch import nn

WIDTH, LAYERS, HEADS, HIDDEN, EPSILON = 384, 6, 12, 1536, 1e-12
CONTEXT = 64  # tokens of a prompt; all-MiniLM-L6-v2 has 512 positions, of which these are the first


class Embeddings(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, WIDTH)
        self.position_embeddings = nn.Embedding(CONTEXT, WIDTH)
        self.token_type_embeddings = nn.Embedding(2, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, ids):
        positions = self.position_embeddings.weight[: ids.shape[1]]
        return self.LayerNorm(self.word_embeddings(ids) + positions + self.token_type_embeddings.weight[0])


class SelfAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(WIDTH, WIDTH) for _ in range(3))

    def forward(self, x, mask):
        batch, length, _ = x.shape
        q, k, v = (f(x).view(batch, length, HEADS, -1).transpose(1, 2) for f in (self.query, self.key, self.value))
        return F.scaled_dot_product_attention(q, k, v, mask[:, None, None, :]).transpose(1, 2).reshape(x.shape)


class Output(nn.Module):
    """A linear layer, then the layer norm of its sum with the block's input."""

    def __init__(self, inputs):
        super().__init__()
        self.dense = nn.Linear(inputs, WIDTH)
        self.LayerNorm = nn.LayerNorm(WIDTH, EPSILON)

    def forward(self, x, block_input):
        return self.LayerNorm(self.dense(x) + block_input)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.Module()
        self.attention.self = SelfAttention()
        self.attention.output = Output(WIDTH)
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(WIDTH, HIDDEN)
        self.output = Output(HIDDEN)

    def forward(self, x, mask):
        x = self.attention.output(self.attention.self(x, mask), x)
        return self.output(F.gelu(self.intermediate.dense(x)), x)


class Bert(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embeddings = Embeddings(vocabulary)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(Layer() for _ in range(LAYERS))

    def forward(self, ids, mask):
        x = self.embeddings(ids)
        for layer in self.encoder.layer:
            x = layer(x, mask)
        return x


class TextEncoder(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.transformer = Bert(vocabulary)

    def forward(self, ids, mask):
        """The direction of the mean of the last states over the tokens that are not padding."""
        states = self.transformer(ids, mask)
        return F.normalize((states * mask[:, :, None]).sum(1), dim=-1)
