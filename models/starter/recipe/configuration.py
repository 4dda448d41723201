"""The JSON files beside the weights, in Hugging Face's words."""

from .shape import EMBED, IMAGE, MEAN, PATCH, STD, TEXT, VISION
from .tokenizer import END, START


def configuration():
    def tower(kind, width, layers, heads):
        return {
            'model_type': f'clip_{kind}_model',
            'hidden_size': width,
            'intermediate_size': 4 * width,
            'num_hidden_layers': layers,
            'num_attention_heads': heads,
            'hidden_act': 'gelu',
            'layer_norm_eps': 1e-5,
            'attention_dropout': 0.0,
            'initializer_range': 0.02,
            'initializer_factor': 1.0,
            'projection_dim': EMBED,
        }

    end = TEXT['vocab'] - 1
    return {
        'architectures': ['CLIPModel'],
        'model_type': 'clip',
        'projection_dim': EMBED,
        'logit_scale_init_value': 2.6592,
        'initializer_factor': 1.0,
        'torch_dtype': 'float16',
        'text_config': {
            **tower('text', TEXT['width'], TEXT['layers'], TEXT['heads']),
            'max_position_embeddings': TEXT['context'],
            'vocab_size': TEXT['vocab'],
            'bos_token_id': end - 1,
            'eos_token_id': end,
            'pad_token_id': end,
        },
        'vision_config': {
            **tower('vision', VISION['width'], VISION['layers'], VISION['heads']),
            'image_size': IMAGE,
            'patch_size': PATCH,
            'num_channels': 3,
            'pooling': 'mean',
        },
    }


def preprocessing():
    return {
        'image_processor_type': 'CLIPImageProcessor',
        'feature_extractor_type': 'CLIPFeatureExtractor',
        'do_convert_rgb': True,
        'do_resize': True,
        'size': {'shortest_edge': IMAGE},
        'resample': 3,
        'do_center_crop': True,
        'crop_size': {'height': IMAGE, 'width': IMAGE},
        'do_rescale': True,
        'rescale_factor': 1 / 255,
        'do_normalize': True,
        'image_mean': list(MEAN),
        'image_std': list(STD),
    }


def tokenizer_configuration():
    return {
        'tokenizer_class': 'CLIPTokenizer',
        'model_max_length': TEXT['context'],
        'do_lower_case': True,
        'add_prefix_space': False,
        'bos_token': START,
        'eos_token': END,
        'pad_token': END,
        'unk_token': END,
    }
