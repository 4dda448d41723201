import { randomTensors } from './checkpoint.ts';
import { InlineGraph } from './inline-graph.ts';
import { VIT_B_32 } from './tensors.ts';

/** A transformer's own numbers. */
interface TransformerConfig {
  readonly width: number;
  readonly heads: number;
  readonly layers: number;
}

/**
 * Writes the joint model that transformers.js loads, `pixel_values, input_ids, attention_mask → logits_per_image, …`, operator for
 * operator as torch.onnx exports Hugging Face's CLIPModel (opset 14): matrices stored `[in, out]`, layer norms and attention spelt out.
 */
export function writeJointModel(path: string): Promise<void> {
  return InlineGraph.write(path, async (g) => {
    for (const { name, shape, values } of randomTensors()) {
      const [out = 0, inputs = 0] = shape;
      const isMatrix = shape.length === 2 && !name.includes('embedding.weight');
      if (isMatrix) await g.weight(name, [inputs, out], transpose(values, out, inputs));
      else await g.weight(name, shape, values);
    }
    const image = unitRows(g, imageGraph(g), 'image_embeds');
    const text = unitRows(g, textGraph(g), 'text_embeds');
    const scale = g.node('Exp', ['logit_scale']);
    const scaled = g.node('Mul', [g.node('MatMul', [text, g.node('Transpose', [image], { perm: [1, 0] })]), scale]);
    const mask = g.node('ReduceSum', [g.node('Cast', ['attention_mask'], { to: 1 })], { keepdims: 0 });
    g.node('Add', [scaled, g.node('Mul', [mask, g.float(0)])], {}, 'logits_per_text');
    g.node('Transpose', ['logits_per_text'], { perm: [1, 0] }, 'logits_per_image');
    const { size } = VIT_B_32.image;
    const { embedding } = VIT_B_32;
    g.ports(
      [
        ['input_ids', 'int64', ['texts', 'tokens']],
        ['pixel_values', 'float', ['images', 3, size, size]],
        ['attention_mask', 'int64', ['texts', 'tokens']],
      ],
      [
        ['logits_per_image', 'float', ['images', 'texts']],
        ['logits_per_text', 'float', ['texts', 'images']],
        ['text_embeds', 'float', ['texts', embedding]],
        ['image_embeds', 'float', ['images', embedding]],
      ],
    );
  });
}

function imageGraph(g: InlineGraph): string {
  const { width, patch, layers } = VIT_B_32.image;
  const model = 'vision_model';
  let x = g.node('Conv', ['pixel_values', `${model}.embeddings.patch_embedding.weight`], {
    kernel_shape: [patch, patch],
    strides: [patch, patch],
  });
  x = g.node('Transpose', [g.node('Reshape', [x, g.ints(0, width, -1)])], { perm: [0, 2, 1] });
  const batch = g.node('Gather', [g.node('Shape', ['pixel_values']), g.ints(0)]);
  const shape = g.node('Concat', [batch, g.ints(1, width)], { axis: 0 });
  x = g.node('Concat', [g.node('Expand', [`${model}.embeddings.class_embedding`, shape]), x], { axis: 1 });
  x = g.node('Add', [x, `${model}.embeddings.position_embedding.weight`]);
  x = layerNorm(g, `${model}.pre_layrnorm`, x);
  for (let n = 0; n < layers; n++) x = block(g, `${model}.encoder.layers.${n}`, x, VIT_B_32.image);
  x = g.node('Squeeze', [g.node('Gather', [x, g.ints(0)], { axis: 1 }), g.ints(1)]); // the class token
  return g.node('MatMul', [layerNorm(g, `${model}.post_layernorm`, x, 1), 'visual_projection.weight']);
}

function textGraph(g: InlineGraph): string {
  const { layers } = VIT_B_32.text;
  const model = 'text_model';
  const length = g.node('Gather', [g.node('Shape', ['input_ids']), g.ints(1)]);
  const positions = g.node('Slice', [`${model}.embeddings.position_embedding.weight`, g.ints(0), length, g.ints(0)]);
  let x = g.node('Add', [g.node('Gather', [`${model}.embeddings.token_embedding.weight`, 'input_ids']), positions]);
  const square = g.node('Concat', [length, length], { axis: 0 });
  const ones = g.node('Expand', [g.float(-3.4e38), square]);
  const mask = g.node('Trilu', [ones, g.node('Squeeze', [g.ints(1)])], { upper: 1 });
  for (let n = 0; n < layers; n++) x = block(g, `${model}.encoder.layers.${n}`, x, VIT_B_32.text, mask);
  x = layerNorm(g, `${model}.final_layer_norm`, x);
  const end = g.node('ArgMax', ['input_ids'], { axis: 1, keepdims: 1 });
  return g.node('MatMul', [g.node('GatherND', [x, end], { batch_dims: 1 }), 'text_projection.weight']);
}

function block(g: InlineGraph, layer: string, x: string, config: TransformerConfig, mask?: string): string {
  const attended = g.node('Add', [
    x,
    attention(g, `${layer}.self_attn`, layerNorm(g, `${layer}.layer_norm1`, x), config, mask),
  ]);
  const hidden = linear(g, `${layer}.mlp.fc1`, layerNorm(g, `${layer}.layer_norm2`, attended));
  const gate = g.node('Sigmoid', [g.node('Mul', [hidden, g.float(1.702)])]);
  return g.node('Add', [attended, linear(g, `${layer}.mlp.fc2`, g.node('Mul', [hidden, gate]))]);
}

function attention(
  g: InlineGraph,
  name: string,
  x: string,
  { width, heads }: TransformerConfig,
  mask?: string,
): string {
  const split = (rows: string, perm: readonly number[]) =>
    g.node('Transpose', [g.node('Reshape', [rows, g.ints(0, -1, heads, width / heads)])], { perm });
  const query = g.node('Mul', [linear(g, `${name}.q_proj`, x), g.float((width / heads) ** -0.5)]);
  const key = split(linear(g, `${name}.k_proj`, x), [0, 2, 3, 1]);
  const value = split(linear(g, `${name}.v_proj`, x), [0, 2, 1, 3]);
  const scores = g.node('MatMul', [split(query, [0, 2, 1, 3]), key]);
  const weights = g.node('Softmax', [mask === undefined ? scores : g.node('Add', [scores, mask])], { axis: 3 });
  const joined = g.node('Transpose', [g.node('MatMul', [weights, value])], { perm: [0, 2, 1, 3] });
  return linear(g, `${name}.out_proj`, g.node('Reshape', [joined, g.ints(0, -1, width)]));
}

function linear(g: InlineGraph, name: string, x: string): string {
  return g.node('Add', [`${name}.bias`, g.node('MatMul', [x, `${name}.weight`])]);
}

/** @param axis the last one of x */
function layerNorm(g: InlineGraph, name: string, x: string, axis = 2): string {
  const centred = g.node('Sub', [x, g.node('ReduceMean', [x], { axes: [axis] })]);
  const variance = g.node('ReduceMean', [g.node('Pow', [centred, g.float(2)])], { axes: [axis] });
  const deviation = g.node('Sqrt', [g.node('Add', [variance, g.float(1e-5)])]);
  const scaled = g.node('Mul', [g.node('Div', [centred, deviation]), `${name}.weight`]);
  return g.node('Add', [scaled, `${name}.bias`]);
}

function unitRows(g: InlineGraph, x: string, output: string): string {
  return g.node('Div', [x, g.node('ReduceL2', [x], { axes: [1], keepdims: 1 })], {}, output);
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = values[i * columns + j] as number;
  }
  return out;
}
