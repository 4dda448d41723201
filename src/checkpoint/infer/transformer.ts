import { ModelError } from '../../errors.ts';
import type { Transformer } from '../architecture.ts';
import type { ConfigReader } from '../config.ts';
import { type Expectation, unsupported } from '../expectation.ts';

/** Config values that Hugging Face leaves out of config.json where they equal its defaults (configuration_*.py). */
export interface TransformerDefaults extends Pick<Transformer, 'heads' | 'activation' | 'epsilon'> {}

/** transformers' names of activations (activations.py, ACT2FN), of which some are the same function. */
const ACTIVATIONS = {
  quick_gelu: 'quick_gelu',
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_pytorch_tanh: 'gelu_pytorch_tanh',
  gelu_python_tanh: 'gelu_pytorch_tanh',
  gelu_new: 'gelu_pytorch_tanh',
  gelu_fast: 'gelu_pytorch_tanh',
  gelu_accurate: 'gelu_pytorch_tanh',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
} as const;

/** The residual attention blocks under `prefix`, whatever their norms are for. */
export function transformer(
  expect: Expectation,
  prefix: string,
  width: number,
  config: ConfigReader,
  defaults: TransformerDefaults,
): Transformer {
  const firstMlp = `${prefix}.encoder.layers.0.mlp.fc1.weight`;
  let layers = 0;
  while (expect.has(`${prefix}.encoder.layers.${layers}.mlp.fc1.weight`)) layers++;
  if (layers === 0) throw new ModelError(`the checkpoint has no tensor ${firstMlp}`, unsupported);
  const mlpWidth = expect.shapeOf(firstMlp)[0] ?? 0;
  for (let n = 0; n < layers; n++) {
    const layer = `${prefix}.encoder.layers.${n}`;
    expect.attention(`${layer}.self_attn`, width, !config.isFalse('qkv_bias'));
    expect.mlp(`${layer}.mlp`, width, mlpWidth);
    for (const norm of ['layer_norm1', 'layer_norm2']) expect.norm(`${layer}.${norm}`, width);
    for (const scale of ['ls_1', 'ls_2'])
      if (expect.has(`${layer}.${scale}.gamma`)) expect.shape(`${layer}.${scale}.gamma`, [width]);
  }
  config.mustAgree('hidden_size', width, prefix);
  config.mustAgree('num_hidden_layers', layers, prefix);
  config.mustAgree('intermediate_size', mlpWidth, firstMlp);
  const heads = config.whole('num_attention_heads') ?? defaults.heads;
  if (heads < 1 || width % heads !== 0) throw config.contradiction('num_attention_heads', heads, `a width of ${width}`);
  const names = Object.keys(ACTIVATIONS) as (keyof typeof ACTIVATIONS)[];
  const activation = config.choice('hidden_act', names);
  return {
    width,
    layers,
    heads,
    mlpWidth,
    activation: activation === undefined ? defaults.activation : ACTIVATIONS[activation],
    epsilon: config.number('layer_norm_eps') ?? defaults.epsilon,
  };
}
