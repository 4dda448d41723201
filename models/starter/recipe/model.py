"""CLIP with the names and the sums of Hugging Face's CLIPModel, so that its weights are written as they are."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from .shape import EMBED, IMAGE, PATCH, TEXT, VISION


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
        q, k, v = (
            F.linear(x, weight, bias).view(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).contiguous()
        )
        if x.is_cuda:
            x = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        else:  # on a processor three times as fast as the fused kernel, for so few tokens
            logits = q * (d // self.heads) ** -0.5 @ k.transpose(-1, -2)
            if causal:
                logits = logits + torch.full((n, n), float('-inf')).triu(1)
            x = logits.softmax(-1).to(v.dtype) @ v
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
        """[B, 3, 32, 32] to [B, 1 + kept patches, width]; keep < 1: each picture loses other patches (FLIP)."""
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
