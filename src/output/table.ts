import { createColors } from 'picocolors';
import stringWidth from 'string-width';
import { oneLine } from '../errors.ts';
import type { Decision, Reason } from '../ranking.ts';
import { errorText } from './flags.ts';
import type { ResultWriter } from './writer.ts';

/** The screen of the table. */
export interface Canvas {
  /** Columns of the terminal. */
  readonly columns: number;
  readonly color: boolean;
  /** Whether the output is a terminal: control characters are then replaced. */
  readonly terminal: boolean;
}

/** The sentences for each reason. */
const WORDS: Readonly<Record<Reason, (decision: Decision) => string>> = {
  none: ({ background = 0 }) => `the background class has the best score, ${percentOf(background)}`,
  threshold: ({ score }) => `the best score, ${percentOf(score)}, is below the threshold`,
  margin: () => 'the best score is too close to the second-best',
};

const INDENT = '  ';
const PERCENT_WIDTH = '100.0 %'.length;
const LONGEST_BAR = 40;
/** A block is filled in eighths. */
const PARTS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** The format for people: an image, and below it one line per label with a bar for its score. */
export function tableWriter({ columns, color }: Omit<Canvas, 'terminal'>): ResultWriter {
  const paint = createColors(color);
  /** The label is bold, and rejected labels are dim. */
  const weight = ({ label, labels }: Decision, n: number) => {
    const one = labels[n];
    if (one?.reason !== undefined) return paint.dim;
    return one?.label === label ? paint.bold : String;
  };
  const noLabel = (decision: Decision) =>
    decision.reason === undefined ? '' : `${INDENT}${paint.yellow(`no label: ${WORDS[decision.reason](decision)}`)}\n`;
  return {
    begin: () => '',
    row(result) {
      const title = paint.bold(oneLine(result.image) + (result.page === undefined ? '' : `, page ${result.page}`));
      if (!result.ok) return `${title}\n${INDENT}${paint.red(errorText(result.error))}\n`;
      const names = result.labels.map(({ label }) => oneLine(label));
      const room = columns - INDENT.length - PERCENT_WIDTH - 4; // two spaces on each side of the bar
      const labelWidth = Math.min(
        names.reduce((widest, name) => Math.max(widest, stringWidth(name)), 0),
        Math.max(4, Math.floor(room / 2)),
      );
      const barWidth = Math.max(0, Math.min(LONGEST_BAR, room - labelWidth));
      const lines = result.labels.map(({ score }, n) => {
        const name = pad(cut(names[n] as string, labelWidth), labelWidth);
        const filled = bar(score, barWidth);
        const percent = percentOf(score).padStart(PERCENT_WIDTH);
        const line = `${weight(result, n)(name)}  ${paint.cyan(pad(filled, barWidth))}  ${percent}`;
        return `${INDENT}${line}\n`;
      });
      return `${title}\n${noLabel(result)}${lines.join('')}`;
    },
    end: () => '',
  };
}

function percentOf(score: number): string {
  return `${(score * 100).toFixed(1)} %`;
}

/** A bar of `score · width` columns, to an eighth of a column. */
function bar(score: number, width: number): string {
  const eighths = Math.round(score * width * 8);
  return '█'.repeat(Math.floor(eighths / 8)) + (PARTS[eighths % 8] as string);
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)));
}

/** Shortens a text to a number of columns. */
function cut(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let short = '';
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    if (stringWidth(short + segment) > width - 1) break;
    short += segment;
  }
  return `${short}…`;
}
