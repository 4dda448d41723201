import type { GraphBuilder, Value } from './graph.ts';

/**
 * The eight bits of an activation. Where nothing is known of it they go from -127 to 127 steps; where it cannot be less
 * than `least`, as after a GELU, most of them are kept for what is above zero.
 */
export type Range = 'symmetric' | { readonly least: number };

/** Steps below zero of an activation that has a least value: few, so that its rows are as fine as their greatest allows. */
const STEPS_BELOW = 32;
/** What a row of zeros is divided by. */
const SMALLEST = 1e-30;

/**
 * `x · weightᵀ + bias` in whole numbers: the weight was quantised before, `x` is now, each row in steps of its own.
 * onnxruntime's own dynamic quantisation (DynamicQuantizeMatMul) has one step for the whole of `x`, so that what an image
 * gets would depend on the other images of its batch, and a prompt's on the padding after it. Here a row is alone.
 *
 * @param x `[rows, in]`
 */
export function quantizedLinear(g: GraphBuilder, name: string, x: Value, range: Range, output?: Value): Value {
  const zero = g.scalar('U8', range === 'symmetric' ? 128 : STEPS_BELOW);
  const one = g.scalar('F32', 1);
  const step = g.once(`step of ${x}`, () => rowSteps(g, x, range)); // [rows, 1]
  const rows = g.once(`steps of ${x}`, () => g.node('QuantizeLinear', [g.node('Div', [x, step]), one, zero])); // [rows, in]
  const scales = g.weight(`${name}.weight_step`);
  const inputs = [rows, g.storedWeight(`${name}.weight`), one, scales, zero];
  const products = g.node('com.microsoft.MatMulIntegerToFloat', inputs); // [rows, out]
  const bias = `${name}.bias`;
  if (!g.checkpoint.has(bias)) return g.node('Mul', [products, step], {}, output);
  return g.node('Add', [g.node('Mul', [products, step]), g.weight(bias)], {}, output);
}

function rowSteps(g: GraphBuilder, x: Value, range: Range): Value {
  const greatest = g.node('ReduceMax', [range === 'symmetric' ? g.node('Abs', [x]) : x, g.int64s(1)]);
  const [above, smallest] =
    range === 'symmetric' ? [127, SMALLEST] : [255 - STEPS_BELOW, Math.max(-range.least / STEPS_BELOW, SMALLEST)];
  return g.node('Max', [g.node('Mul', [greatest, g.scalar('F32', 1 / above)]), g.scalar('F32', smallest)]);
}
