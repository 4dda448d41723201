"""Writes the weights of a CLIP in the layout of transformers under the names of open_clip: from, to."""
import os
import re
import sys

import torch
from safetensors.torch import load_file, save_file

NAMES = [
    (r"^vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"^vision_model\.embeddings\.patch_embedding\.", "visual.conv1."),
    (r"^vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    (r"^vision_model\.pre_layrnorm\.", "visual.ln_pre."),
    (r"^vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"^visual_projection\.weight", "visual.proj"),
    (r"^vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"^text_model\.embeddings\.token_embedding\.", "token_embedding."),
    (r"^text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"^text_model\.final_layer_norm\.", "ln_final."),
    (r"^text_projection\.weight", "text_projection"),
    (r"^text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"\.layer_norm(\d)\.", r".ln_\1."),
    (r"\.self_attn\.", ".attn."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
]

tensors = {}
for name, tensor in load_file(sys.argv[1]).items():
    for pattern, replacement in NAMES:
        name = re.sub(pattern, replacement, name)
    tensors[name] = tensor.T.contiguous() if name in ("visual.proj", "text_projection") else tensor
for name in [name for name in tensors if ".q_proj." in name]:
    parts = [tensors.pop(name.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
    tensors[name.replace(".q_proj.", ".in_proj_")] = torch.cat(parts)
if tensors["logit_scale"].dim() > 0:
    tensors["logit_scale"] = tensors["logit_scale"].reshape(())
os.makedirs(os.path.dirname(sys.argv[2]), exist_ok=True)
save_file(tensors, f"{sys.argv[2]}.tmp")
os.replace(f"{sys.argv[2]}.tmp", sys.argv[2])
