"""Where training starts from."""

import json
import math
from pathlib import Path

import torch
import torch.nn as nn
from safetensors.torch import load_file

from .shape import IMAGE, PATCH, VISION

SHIPPED = Path(__file__).resolve().parents[1]


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


def shipped_weights():
    """Those in the package, to train further."""
    return {n: p.float() for n, p in load_file(SHIPPED / 'model.safetensors').items()}


def shipped_tokenizer():
    """The tokenizer.json that the shipped text tower was trained with."""
    return json.loads((SHIPPED / 'tokenizer.json').read_text())


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
