import type { Command } from 'commander';

/** The options for a heat map. */
export interface ExplainOptions {
  readonly explain?: string;
  readonly explainLabel?: string;
}

/** The options of {@link ExplainOptions}. */
export function withExplainOptions(command: Command): Command {
  return command
    .option(
      '--explain <file.png>',
      'also write a heat map: the similarity of each image patch to a label (one image only)',
    )
    .option('--explain-label <label>', 'label of the heat map of --explain (default: the first label)');
}
