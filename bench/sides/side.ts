import { argv } from 'node:process';
import { timed } from '../statistics.ts';

/** Works, when its name is called. */
export type Works = Readonly<Record<string, () => Promise<unknown>>>;

/** The end of a side in its own process: prepares, then times each work that is asked for. */
export function serveSide<Setup>(prepare: (setup: Setup) => Promise<Works>): void {
  const answer = (message: { readonly took: number; readonly error?: string }) => process.send?.(message);
  const fail = (error: unknown) => answer({ took: 0, error: error instanceof Error ? error.message : String(error) });
  process.on('disconnect', () => process.exit()); // the model is still open
  prepare(JSON.parse(argv[2] ?? '{}') as Setup).then((works) => {
    process.on('message', (name: string) => {
      timed(works[name] ?? (() => Promise.reject(new Error(`no work ${name}`)))).then((took) => answer({ took }), fail);
    });
    answer({ took: 0 });
  }, fail);
}
