import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { writeCheckpoint } from './checkpoint.ts';
import { writeJointModel } from './joint.ts';
import { VIT_B_32 } from './tensors.ts';
import { fullSizeTokenizer } from './tokenizer.ts';

/** Part of the folder's name: another recipe is another folder. */
const RECIPE = 2;

/**
 * The folder of a ViT-B/32 with random weights, made if it is not there: model.safetensors for this package, onnx/model.onnx
 * with the same weights for transformers.js, and the configs and tokenizer that both read.
 *
 * @param cache the folder that it lies in; 1.2 GB are written
 * @param small the folder of a small CLIP, whose tokenizer is enlarged
 */
export async function randomVitB32(cache: string, small: string): Promise<string> {
  const folder = join(cache, `random-vit-b-32-${RECIPE}`);
  if (
    await access(folder).then(
      () => true,
      () => false,
    )
  )
    return folder;
  const beside = join(cache, `${basename(folder)}.${Date.now()}`);
  await mkdir(join(beside, 'onnx'), { recursive: true });
  try {
    const { embedding, image, text } = VIT_B_32;
    const end = text.vocabulary - 1;
    const config = (width: number, layers: number, heads: number) => ({
      hidden_size: width,
      intermediate_size: 4 * width,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      hidden_act: 'quick_gelu',
      layer_norm_eps: 1e-5,
      projection_dim: embedding,
    });
    await writeJson(beside, 'config.json', {
      architectures: ['CLIPModel'],
      model_type: 'clip',
      projection_dim: embedding,
      text_config: {
        model_type: 'clip_text_model',
        ...config(text.width, text.layers, text.heads),
        max_position_embeddings: text.context,
        vocab_size: text.vocabulary,
        bos_token_id: end - 1,
        eos_token_id: end,
      },
      vision_config: {
        model_type: 'clip_vision_model',
        ...config(image.width, image.layers, image.heads),
        image_size: image.size,
        patch_size: image.patch,
      },
    });
    await writeJson(beside, 'preprocessor_config.json', {
      image_processor_type: 'CLIPImageProcessor',
      feature_extractor_type: 'CLIPFeatureExtractor',
      do_convert_rgb: true,
      do_resize: true,
      size: { shortest_edge: image.size },
      resample: 3,
      do_center_crop: true,
      crop_size: { height: image.size, width: image.size },
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: true,
      image_mean: [0.48145466, 0.4578275, 0.40821073],
      image_std: [0.26862954, 0.26130258, 0.27577711],
    });
    await writeFile(
      join(beside, 'tokenizer.json'),
      fullSizeTokenizer(await readFile(join(small, 'tokenizer.json'), 'utf8')),
    );
    await writeJson(beside, 'tokenizer_config.json', {
      tokenizer_class: 'CLIPTokenizer',
      model_max_length: text.context,
      bos_token: '<|startoftext|>',
      eos_token: '<|endoftext|>',
      pad_token: '<|endoftext|>',
      unk_token: '<|endoftext|>',
    });
    await writeCheckpoint(join(beside, 'model.safetensors'));
    await writeJointModel(join(beside, 'onnx', 'model.onnx'));
    await rename(beside, folder);
  } finally {
    await rm(beside, { recursive: true, force: true });
  }
  return folder;
}

function writeJson(folder: string, name: string, value: unknown): Promise<void> {
  return writeFile(join(folder, name), `${JSON.stringify(value, null, 2)}\n`);
}
