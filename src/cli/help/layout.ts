import { stripVTControlCharacters } from 'node:util';
import type { Command, Help } from 'commander';
import type { Io } from '../io.ts';

/** Below this width, the text of an option is under its name, not next to it. */
const NARROW = 72;
/** The fewest columns for a text next to its name. */
const LEAST = 24;
const INDENT = '  ';

/** The widest help, in columns. */
export function helpWidth({ stdout }: Pick<Io, 'stdout'>): number {
  return Math.max(40, stdout.columns ?? 80);
}

/** Makes commander write to `io`, wrap at the width of the terminal, and throw instead of ending the process. */
export function configureHelp(command: Command, io: Io): void {
  const width = helpWidth(io);
  command
    .exitOverride()
    .helpOption('--help', 'show all options and examples')
    .configureHelp({
      helpWidth: width,
      minWidthToWrap: 20,
      boxWrap: fitted,
      ...(width < NARROW && { formatItem: stacked }),
    })
    .configureOutput({ writeOut: (text) => void io.stdout.write(fitted(text, width)), writeErr: () => {} });
  for (const child of command.commands) configureHelp(child, io);
}

function stacked(this: Help, term: string, _termWidth: number, description: string): string {
  return `${INDENT}${term}${description === '' ? '' : `\n${INDENT.repeat(3)}${description}`}`;
}

/** Breaks long lines: examples with a backslash, columns below each other, other text between words. */
export function fitted(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => {
      if (columnsOf(line) <= width) return [line];
      const indent = /^ */u.exec(line)?.[0] ?? '';
      if (line.startsWith(`${INDENT}$ `))
        return broken(line.replace(/ +# .*$/u, ''), indent + INDENT.repeat(2), width - 2).map((part, n, all) =>
          n < all.length - 1 ? `${part} \\` : part,
        );
      const [, name = '', what] = /^( +\S.*?) {2,}(\S.*)$/u.exec(line) ?? [];
      if (what === undefined) return broken(line, indent, width);
      const column = line.length - what.length;
      if (width - column >= LEAST) return broken(line, ' '.repeat(column), width);
      const below = indent + INDENT.repeat(2);
      return [name, ...broken(below + what, below, width)];
    })
    .join('\n');
}

/** @param hanging indent of all lines except the first */
function broken(line: string, hanging: string, width: number): string[] {
  const parts = /^ *\S.*? {2,}(?=\S)/u.exec(line)?.[0] ?? /^ */u.exec(line)?.[0] ?? '';
  const words = line.slice(parts.length).match(/(?:"[^"]*"|(?<=^|\s)'[^']*'|\S)+/gu) ?? [];
  const lines: string[] = [];
  let current = parts;
  let isEmpty = true;
  for (const word of words) {
    const longer = isEmpty ? current + word : `${current} ${word}`;
    if (isEmpty || columnsOf(longer) <= width) current = longer;
    else {
      lines.push(current);
      current = hanging + word;
    }
    isEmpty = false;
  }
  return [...lines, current];
}

/** The width of a text. Help has narrow characters only; string-width would add 30 ms to every start. */
function columnsOf(line: string): number {
  return stripVTControlCharacters(line).length;
}
