import stringWidth from 'string-width';
import type { Stage } from '../onnx/stages.ts';

/** A tower as a table: stage, output shape, parameters, bytes, detail. */
export function stageTable(title: string, stages: readonly Stage[]): string {
  const rows = [
    [title, 'output', 'parameters', 'bytes', ''],
    ...stages.map(({ name, detail, shape, parameters, bytes }) => {
      return [name, `[${shape.join(', ')}]`, count(parameters), count(bytes), detail];
    }),
    ['', '', count(sum(stages, 'parameters')), count(sum(stages, 'bytes')), 'in all'],
  ];
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...rows.map((cells) => stringWidth(cells[column] as string))),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const space = ' '.repeat((widths[column] as number) - stringWidth(cell));
        return column < 2 || column === 4 ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd();
  return rows.map((cells) => `${line(cells)}\n`).join('');
}

function sum(stages: readonly Stage[], key: 'parameters' | 'bytes'): number {
  return stages.reduce((total, stage) => total + stage[key], 0);
}

/** 1234567 → 1,234,567; nothing for none. */
function count(value: number): string {
  return value === 0 ? '' : value.toLocaleString('en-US');
}
