/** Commas and semicolons of other scripts, a semicolon and a bar: people separate labels with them. */
const OTHER_SEPARATOR = /[，、،；؛﹐﹑﹔､︐︑;|]/u;
const WORDNET_ID = /^n\d{8}$/u;
const NUMBER = /^\d+$/u;
const LIST_MARK = /^([-*•]|\d{1,4}[.):]?)\s+\S/u;

/** Warnings about the words of labels. */
export function labelDoubts(labels: readonly string[]): string[] {
  const found: string[] = [];
  const separated = labels.find((label) => OTHER_SEPARATOR.test(label));
  if (separated !== undefined) {
    const mark = OTHER_SEPARATOR.exec(separated)?.[0];
    found.push(`the label "${separated}" contains "${mark}", which does not separate labels; use "," between labels`);
  }
  const marked = markedLabel(labels);
  if (marked !== undefined)
    found.push(`the label ${marked.label} ${marked.what}, which becomes part of its prompt; remove them`);
  const listed = labels.find((label) => LIST_MARK.test(label));
  if (listed !== undefined && labels.length > 1 && labels.every((label) => LIST_MARK.test(label)))
    found.push(`labels such as "${listed}" begin with the mark of a list, which becomes part of the prompt; remove it`);
  const id = labels.find((label) => WORDNET_ID.test(label));
  if (id !== undefined)
    found.push(`labels such as "${id}" are WordNet ids, which mean nothing in a prompt; use words as labels`);
  const number = labels.find((label) => NUMBER.test(label));
  if (number !== undefined && labels.every((label) => NUMBER.test(label)))
    found.push(`the labels are numbers, such as "${number}", which mean nothing in a prompt; use words as labels`);
  return found;
}

/** Pairs that a label should not begin with unless it closes them. */
const CLOSED_BY: Readonly<Record<string, string>> = { '[': ']', '{': '}', '(': ')' };

/** The label with the quotes or brackets of a list, and which of the two it has. An apostrophe and `crane (bird)` are fine. */
export function markedLabel(labels: readonly string[]): { readonly label: string; readonly what: string } | undefined {
  const trimmed = labels.map((label) => label.trim());
  const quoted = trimmed.find((label) => /^(["'`]).+\1$/su.test(label) || /^["`“„«]./su.test(label));
  if (quoted !== undefined) return { label: quoted, what: 'is in quotes' };
  const [first = '', last = ''] = [trimmed[0], trimmed.at(-1)];
  if (first.startsWith("'") && last.endsWith("'") && first.length > 1) return { label: first, what: 'is in quotes' };
  const open = trimmed.find((label) => {
    const close = CLOSED_BY[label[0] ?? ''];
    return close !== undefined && (label[0] !== '(' || !label.includes(close));
  });
  return open === undefined ? undefined : { label: open, what: 'begins with brackets' };
}
