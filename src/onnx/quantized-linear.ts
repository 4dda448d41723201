import type { GraphBuilder, Value } from './graph.ts';

/**
 * The range of an 8-bit activation. By default it is -127 to 127 steps. If the activation has a lowest value `least`, as after a GELU,
 * most steps are above zero.
 */
export type Range = 'symmetric' | { readonly least: number };

/** Steps below zero for an activation with a lowest value. There are few, so that positive values have a fine resolution. */
const STEPS_BELOW = 32;
/** The divisor for a row of zeros. */
const SMALLEST = 1e-30;

/**
 * `x · weightᵀ + bias` in integers: the weight is already quantised, and `x` is quantised at run time with one scale per row.
 * onnxruntime's own dynamic quantisation (DynamicQuantizeMatMul) has one scale for the whole of `x`. The result of an image would then
 * depend on the other images of its batch, and that of a prompt on its padding.
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
