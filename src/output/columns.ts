import stringWidth from 'string-width';

/**
 * A text table with two spaces between the columns.
 *
 * @param align a letter for each column: l for left, r for right
 */
export function columns(rows: readonly (readonly string[])[], align: string): string {
  const widths = Array.from(align, (_, column) =>
    rows.reduce((widest, cells) => Math.max(widest, stringWidth(cells[column] ?? '')), 0),
  );
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? '';
        const space = ' '.repeat(width - stringWidth(cell));
        return align[column] === 'r' ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return rows.map((cells) => `${line(cells)}\n`).join('');
}
