import type { Clip } from './clip.ts';
import { likePairs } from './embed/doubts.ts';
import { type Finding, lintWords } from './text/label-lint.ts';
import { labelTree } from './text/label-tree.ts';
import { checkLabels, type Label } from './text/labels.ts';
import { expandTemplates, promptsOf, templatesAbout } from './text/prompts.ts';

/**
 * Finds what is likely to make the scores of these labels worse: problems of the words, labels that the model cannot tell
 * apart, and prompts that are longer than its context.
 *
 * @throws LabelsError if the labels cannot be used at all
 */
export async function lintLabels(
  clip: Pick<Clip, 'encodeLabels' | 'tokens'>,
  labels: readonly (string | Label)[],
  { templates = ['photo'], about }: { readonly templates?: readonly string[]; readonly about?: string } = {},
): Promise<Finding[]> {
  const checked = checkLabels(labels);
  const used = templatesAbout(expandTemplates(templates), about);
  const names = labelTree(checked).leaves.map(({ label }) => label);
  const { rows, truncated } = await clip.encodeLabels(labelTree(checked).leaves.map((label) => promptsOf(label, used)));
  const name = (n: number) => names[n] as string;
  return [
    ...likePairs(rows, names).map(
      ([a, b]): Finding => ({
        rule: 'duplicate',
        labels: [name(a), name(b)],
        message: `"${name(a)}" and "${name(b)}" are nearly identical, so they split one score`,
        instead: `keep one and make the other its alias: { "label": "${name(a)}", "aliases": ["${name(b)}"] }`,
      }),
    ),
    ...lintWords(checked, used),
    ...truncated.map(
      (n): Finding => ({
        rule: 'length',
        labels: [name(n)],
        message: `a prompt of "${name(n)}" has more than ${clip.tokens.context} tokens and is truncated`,
        instead: 'write fewer words',
      }),
    ),
  ];
}
