import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { inferArchitecture } from '../../src/checkpoint/infer.ts';
import { withHuggingFaceNames } from '../../src/checkpoint/layout.ts';
import { fromOpenClipConfig } from '../../src/checkpoint/open-clip.ts';
import { Checkpoint, readCheckpoint, type TensorEntry } from '../../src/checkpoint/safetensors.ts';
import { ModelError } from '../../src/errors.ts';
import { stages } from '../../src/onnx/stages.ts';
import { fixture } from '../paths.ts';

let checkpoint: Checkpoint;
let config: { vision_config: object; text_config: object };
beforeAll(async () => {
  checkpoint = await readCheckpoint(fixture('tiny-class/model.safetensors'));
  config = JSON.parse(await readFile(fixture('tiny-class/config.json'), 'utf8'));
});

/** The checkpoint with one tensor changed or, without changes, removed. */
function withTensor(name: string, changes?: Partial<TensorEntry>): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  if (changes === undefined) tensors.delete(name);
  else tensors.set(name, { ...checkpoint.tensor(name), ...changes });
  return new Checkpoint(checkpoint.file, tensors, checkpoint.header);
}

describe('inferArchitecture', () => {
  it('reads every hyper-parameter from names and shapes', () => {
    expect(inferArchitecture(checkpoint, config)).toEqual({
      image: {
        kind: 'vit',
        width: 32,
        layers: 2,
        heads: 4,
        mlpWidth: 128,
        activation: 'quick_gelu',
        epsilon: 1e-5,
        imageSize: 32,
        patch: 8,
        grid: 4,
        tokens: 17,
        positions: '1d',
        pooling: 'class',
        normFirst: true,
        normBeforePooling: false,
        poolingHeads: 0,
        pooler: false,
      },
      text: {
        kind: 'transformer',
        causal: true,
        masksPadding: false,
        width: 24,
        layers: 2,
        heads: 2,
        mlpWidth: 96,
        activation: 'quick_gelu',
        epsilon: 1e-5,
        vocabulary: 600,
        context: 32,
        pooling: { at: 'end of text', id: 599 },
      },
      embedding: 20,
      loss: 'softmax',
    });
  });

  it("needs only the fields of the config that differ from Hugging Face's defaults", () => {
    const small = {
      vision_config: { num_attention_heads: 4 },
      text_config: { num_attention_heads: 2, eos_token_id: 599 },
    };
    expect(inferArchitecture(checkpoint, small)).toEqual(inferArchitecture(checkpoint, config));
  });

  it.each([
    ['vision_config', { hidden_size: 64 }, /hidden_size in vision_config .* is 64, but the model has 32/],
    ['vision_config', { num_hidden_layers: 3 }, /num_hidden_layers .* is 3, but the model has 2/],
    ['vision_config', { patch_size: 16 }, /patch_size .* is 16, but the model has 8/],
    ['vision_config', { image_size: 224 }, /image_size .* is 224, but the model has 4 × 4 patches of 8/],
    ['vision_config', { num_attention_heads: 5 }, /num_attention_heads .* is 5, but the model has a width of 32/],
    ['vision_config', { num_attention_heads: 1.5 }, /num_attention_heads .* is 1.5; it must be a whole number/],
    ['vision_config', { num_attention_heads: 0 }, /num_attention_heads .* is 0, but/],
    ['vision_config', { intermediate_size: 64 }, /intermediate_size .* is 64, but the model has 128/],
    [
      'vision_config',
      { hidden_act: 'mish' },
      /hidden_act .* is "mish"; supported values: quick_gelu, gelu, gelu_python, .*, relu, silu, swish/,
    ],
    [
      'vision_config',
      { position_embedding_type: '2d' },
      /position_embedding_type .* is 2d, but the model has 1d positions/,
    ],
    ['vision_config', { pooling: 'max' }, /pooling .* is "max"/],
    ['vision_config', { layer_norm_eps: 'tiny' }, /layer_norm_eps .* is "tiny"; it must be a number/],
    ['text_config', { vocab_size: 49408 }, /vocab_size in text_config .* is 49408, but the model has 600/],
    ['text_config', { max_position_embeddings: 77 }, /max_position_embeddings .* is 77, but/],
    ['text_config', { eos_token_id: 49407 }, /eos_token_id .* is 49407, but the model has a vocabulary of 600/],
  ] as const)('refuses a %s that says %j', (section, fields, message) => {
    const contradictory = { ...config, [section]: { ...config[section], ...fields } };
    expect(() => inferArchitecture(checkpoint, contradictory)).toThrow(ModelError);
    expect(() => inferArchitecture(checkpoint, contradictory)).toThrow(message);
  });

  it('refuses an unknown tensor, such as a norm of queries', () => {
    const scale = {
      ...checkpoint.tensor('vision_model.post_layernorm.bias'),
      name: 'vision_model.encoder.layers.0.self_attn.q_norm.weight',
    };
    const more = new Checkpoint(
      checkpoint.file,
      new Map([...checkpoint.tensors, [scale.name, scale]]),
      checkpoint.header,
    );
    expect(() => inferArchitecture(more, config)).toThrow(
      /unknown tensor vision_model.encoder.layers.0.self_attn.q_norm.weight/,
    );
  });

  it('refuses a projection_dim that contradicts the weights', () => {
    expect(() => inferArchitecture(checkpoint, { ...config, projection_dim: 512 })).toThrow(
      /is 512, but the model has 20/,
    );
  });

  it.each([
    ['visual_projection.weight', undefined, /has no tensor visual_projection/],
    ['vision_model.encoder.layers.1.mlp.fc2.bias', undefined, /has no tensor/],
    ['vision_model.encoder.layers.0.mlp.fc1.weight', undefined, /has no tensor vision_model.encoder.layers.0/],
    ['text_projection.weight', { shape: [21, 24] }, /text_projection.weight has shape \[21, 24\]/],
    [
      'vision_model.embeddings.position_embedding.weight',
      { shape: [16, 32] },
      /not a class token and a square of patches/,
    ],
    ['vision_model.embeddings.patch_embedding.weight', { shape: [32, 3, 8, 4] }, /patch_embedding.weight has shape/],
    ['vision_model.encoder.layers.1.self_attn.q_proj.weight', { shape: [32, 64] }, /q_proj.weight has shape/],
    ['vision_model.post_layernorm.bias', { dtype: 'I64' }, /is stored as I64/],
  ])('refuses weights with %s changed to %j', (name, changes, message) => {
    expect(() => inferArchitecture(withTensor(name, changes), config)).toThrow(message);
  });
});

describe('withHuggingFaceNames', () => {
  it('splits a stacked projection without copying it', async () => {
    const openClip = await readCheckpoint(fixture('tiny-open-clip/open_clip_model.safetensors'));
    const stacked = openClip.tensor('visual.transformer.resblocks.1.attn.in_proj_weight');
    const key = withHuggingFaceNames(openClip).tensor('vision_model.encoder.layers.1.self_attn.k_proj.weight');
    expect(key).toEqual({
      ...stacked,
      name: key.name,
      shape: [32, 32],
      offset: stacked.offset + 32 * 32 * 4,
      bytes: 32 * 32 * 4,
    });
  });
});

it.each(['module.', 'model.', 'clip_model.', 'module.model.', 'module._orig_mod.'])(
  'withHuggingFaceNames removes the prefix %s of a wrapper',
  (prefix) => {
    const entries = [...checkpoint.tensors.values()].map((entry) => ({ ...entry, name: prefix + entry.name }));
    expect(withHuggingFaceNames(checkpoint.withTensors(entries)).tensors).toEqual(checkpoint.tensors);
  },
);

describe("open_clip's config", () => {
  const terms = (changes: { text?: object; model?: object; preprocess?: object }) => {
    const [vision, text] = [{ image_size: 32 }, { ...changes.text }];
    const model = { vision_cfg: vision, text_cfg: text, ...changes.model };
    return fromOpenClipConfig({ model_cfg: model, preprocess_cfg: { ...changes.preprocess } }, 'folder');
  };

  it('may have an appended token, but only with the padding of its tokenizer', () => {
    expect(terms({ text: { embed_cls: true, pad_id: 0 } }).config['text_config']).toMatchObject({ pad_token_id: 0 });
    expect(() => terms({ text: { embed_cls: true, pad_id: 9 } })).toThrow(/pad_id in text_cfg .* is 9; supported is 0/);
  });

  it('may name a random filter for training: pictures are classified with bicubic', () => {
    expect(terms({ preprocess: { interpolation: 'random' } }).preprocessor['resample']).toBe(3);
  });

  it.each(['scale_fc', 'qk_norm'])('is refused with %s', (field) => {
    expect(() => terms({ text: { [field]: true } })).toThrow(`the field ${field}, which is not supported`);
  });
});

describe('stages', () => {
  it('contain every parameter except the logit scale', () => {
    const { image, text } = stages(checkpoint, inferArchitecture(checkpoint, config));
    const parameters = [...image, ...text].reduce((sum, stage) => sum + stage.parameters, 0);
    const all = [...checkpoint.tensors.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(parameters).toBe(all - 1);
  });

  it('follow the shapes from pixels to projection', () => {
    const { image } = stages(checkpoint, inferArchitecture(checkpoint, config));
    expect(image.map(({ name, shape }) => `${name} [${shape.join(', ')}]`)).toEqual([
      'pixels [B, 3, 32, 32]',
      'patch embedding [B, 32, 4, 4]',
      'tokens [B, 17, 32]',
      'ln_pre [B, 17, 32]',
      '2 × attention [B, 17, 32]',
      '2 × mlp [B, 17, 32]',
      'pooling [B, 32]',
      'ln_post [B, 32]',
      'projection [B, 20]',
    ]);
  });
});
