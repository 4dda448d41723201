/** How the columns of a table are separated, and where its header begins. */
export interface Delimiter {
  readonly delimiter: ',' | ';' | '\t';
  /** Characters before the header: the line sep=; that Excel writes for itself. */
  readonly skip: number;
}

/** Finds the delimiter from the first line. Spreadsheets write semicolons or tabs in countries with a decimal comma. */
export function delimiterOf(text: string): Delimiter {
  const declared = /^\ufeff?sep=([,;\t])\r?\n/u.exec(text);
  if (declared !== null) return { delimiter: declared[1] as Delimiter['delimiter'], skip: declared[0].length }; // one of the three
  const [header = ''] = text.split(/[\r\n]/u, 1);
  if (header.includes(',')) return { delimiter: ',', skip: 0 };
  return { delimiter: header.includes(';') ? ';' : header.includes('\t') ? '\t' : ',', skip: 0 };
}
