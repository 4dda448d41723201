import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { cli } from './cli/io.ts';
import { repository } from './paths.ts';

const read = (name: string) => readFile(join(repository, name), 'utf8');

/** The options of each line that starts clip-classify, and the command that it names. */
function linesOf(text: string): { readonly command: string; readonly options: readonly string[] }[] {
  return [...text.matchAll(/clip-classify(?: (embed))?((?: [^\n`|#]*)?)/gu)]
    .map(([, command = 'classify', rest = '']) => ({ command, options: rest.match(/ --[a-z][a-z-]*/gu) ?? [] }))
    .map(({ command, options }) => ({ command, options: options.map((one) => one.trim()) }));
}

describe('docs/scale.md', () => {
  it('names only existing options', async () => {
    const lines = linesOf((await read('docs/scale.md')).replaceAll('\\\n', ' '));
    const isAnother = /^--(job|container|array)-/u;
    let seen = 0;
    for (const command of ['classify', 'embed']) {
      const help = (await cli([command, '--help'])).stdout;
      const options = lines.filter((line) => line.command === command).flatMap((line) => line.options);
      seen += options.length;
      expect(options.filter((option) => !isAnother.test(option) && !help.includes(option))).toEqual([]);
    }
    expect(seen).toBeGreaterThan(20);
  });

  it('has a Kubernetes Job with as many shards as completions', async () => {
    const { spec } = parse(await read('integrations/kubernetes/job.yaml'));
    const [{ args }] = spec.template.spec.containers;
    expect(spec.completionMode).toBe('Indexed');
    expect(args[0]).toContain(`--shard auto/${spec.completions}`);
    const help = (await cli(['embed', '--help'])).stdout;
    for (const [option] of args[0].matchAll(/--[a-z-]+/gu)) expect(help).toContain(option);
  });
});
