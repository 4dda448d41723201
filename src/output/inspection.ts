import type { CardDescription } from '../model/blueprint.ts';
import type { ModelDescription } from '../model/description.ts';
import type { Port } from '../onnx/ports.ts';
import { type Stage, stages } from '../onnx/stages.ts';
import { columns } from './columns.ts';

/** A model in a folder, or the model card of one that is not downloaded. */
type Inspectable = ModelDescription | CardDescription;

/** A description of a model for people: the stages of its encoders or the inputs and outputs of its graphs, and its preprocessing. */
export function inspection({ contents, preprocessing, scoring }: Inspectable): string {
  const { size, fit, resizeTo, longestEdge, filter } = preprocessing;
  const images = {
    crop: `short side to ${resizeTo}${longestEdge === undefined ? '' : `, long side to ${longestEdge} at most`}, centre crop`,
    squash: resizeTo === size ? 'stretched' : `stretched to ${resizeTo}, centre crop`,
    pad: `long side to ${resizeTo}, padded with black`,
    none: 'not resized, centre crop',
  }[fit];
  const unknown = contents.kind === 'onnx' ? 'not in the model files' : 'in the weights'; // of a card without downloaded weights
  const scale = scoring === undefined ? unknown : Number(scoring.logitScale.toPrecision(6));
  const bias = scoring?.logitBias === undefined ? '' : `logit bias: ${Number(scoring.logitBias.toPrecision(6))}\n`;
  const precision = contents.kind === 'onnx' ? `precision: ${contents.readyMade.dtype}\n` : '';
  return `${encoders(contents)}\n${precision}images: ${images} to ${size} × ${size}, ${filter}\nlogit scale: ${scale}\n${bias}`;
}

function encoders(contents: Inspectable['contents']): string {
  if (contents.kind === 'checkpoint') {
    const { image, text } = stages(contents.checkpoint, contents.architecture);
    return `${stageTable('image encoder', image)}\n${stageTable('text encoder', text)}`;
  }
  const { image, text } = contents.readyMade;
  const ports = (title: string, path: string, input: Port, output: Port) =>
    `${title}  ${path}\n  in   ${portText(input)}\n  out  ${portText(output)}\n`;
  return (
    ports('image encoder', image.path, image.wiring.image.input, image.wiring.image.output) +
    ports('text encoder', text.path, text.wiring.text.input, text.wiring.text.output)
  );
}

function portText({ name, shape }: Port): string {
  return `${name} [${shape.join(', ')}]`;
}

/** A description of a model for programs. */
export function inspectionJson(model: Inspectable): object {
  const { name, contents, preprocessing, scoring } = model;
  const shared = {
    name,
    ...('folder' in model && { folder: model.folder, dtype: model.dtype }),
    preprocessing,
    ...scoring,
  };
  if (contents.kind === 'onnx') {
    const { image, text } = contents.readyMade;
    return {
      ...shared,
      graphs: { image: { path: image.path, ...image.wiring.image }, text: { path: text.path, ...text.wiring.text } },
    };
  }
  const { checkpoint, architecture } = contents;
  const file = 'folder' in model ? { file: checkpoint.file } : {};
  return { ...shared, ...file, architecture, stages: stages(checkpoint, architecture) };
}

/** An encoder as a table: stage, output shape, parameters, bytes, detail. */
function stageTable(title: string, stages: readonly Stage[]): string {
  const rows = [
    [title, 'output', 'parameters', 'bytes', ''],
    ...stages.map(({ name, detail, shape, parameters, bytes }) => {
      return [name, `[${shape.join(', ')}]`, count(parameters), count(bytes), detail];
    }),
    ['', '', count(sum(stages, 'parameters')), count(sum(stages, 'bytes')), 'total'],
  ];
  return columns(rows, 'llrrl');
}

function sum(stages: readonly Stage[], key: 'parameters' | 'bytes'): number {
  return stages.reduce((total, stage) => total + stage[key], 0);
}

/** 1234567 → 1,234,567; 0 becomes an empty text. */
function count(value: number): string {
  return value === 0 ? '' : value.toLocaleString('en-US');
}
