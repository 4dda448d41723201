/** Commas of other scripts: full-width, ideographic, Arabic. */
const OTHER_COMMA = /[，、،]/u;
const WORDNET_ID = /^n\d{8}$/u;
const NUMBER = /^\d+$/u;

/** Warnings about the words of labels. */
export function labelDoubts(labels: readonly string[]): string[] {
  const found: string[] = [];
  const withComma = labels.find((label) => OTHER_COMMA.test(label));
  if (withComma !== undefined) {
    const comma = OTHER_COMMA.exec(withComma)?.[0];
    found.push(`the label "${withComma}" contains "${comma}", which does not separate labels; use "," between labels`);
  }
  const id = labels.find((label) => WORDNET_ID.test(label));
  if (id !== undefined)
    found.push(`labels such as "${id}" are WordNet ids, which mean nothing in a prompt; use words as labels`);
  const number = labels.find((label) => NUMBER.test(label));
  if (number !== undefined && labels.every((label) => NUMBER.test(label)))
    found.push(`the labels are numbers, such as "${number}", which mean nothing in a prompt; use words as labels`);
  return found;
}
