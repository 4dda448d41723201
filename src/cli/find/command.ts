import { Argument, Command, Option } from 'commander';
import { exists } from '../../disk/exists.ts';
import { FINDING_FORMATS } from '../../output/findings.ts';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withInputOptions } from '../options/input-options.ts';
import { withMessageOptions } from '../options/message-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import { anyNumber, collectOne, outputFile, topCount } from '../options/values.ts';
import type { FindOptions } from './run.ts';

const EXAMPLES = `
With --like, the text can be left out. Embeddings of the pictures are cached, so the next search is fast.

Examples:
  $ clip-classify find "two parrots on a branch" photos/ -k 50
  $ clip-classify find "a beach" photos/ --and "at sunset" --without people --html beach.html`;

export const findCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('find')
    .description('rank pictures by their similarity to a text')
    .addArgument(new Argument('[text]', 'what the pictures show'));
  withInputOptions(command)
    .optionsGroup('Search:')
    .option('--and <text>', 'add another text to the search; repeatable', collectOne)
    .option('--without <text>', 'subtract a text from the search; repeatable', collectOne)
    .option('--like <image>', 'search for pictures that are similar to this image; repeatable', collectOne)
    .option(
      '-t, --template <text|set>',
      'prompt template with {} in it, or a template set; repeatable (default: the text as given)',
      collectOne,
    )
    .optionsGroup('Output:')
    .option('-k, --top <n>', 'number of pictures to list, or "all"', topCount, 20)
    .option('--threshold <cosine>', 'list only pictures with at least this cosine, -1 to 1', anyNumber)
    .addOption(
      new Option('-f, --format <format>', 'output format (default: table on a terminal, otherwise jsonl)').choices(
        FINDING_FORMATS,
      ),
    )
    .option('-o, --output <file>', 'write the list to a file; its extension chooses the format', outputFile)
    .option('--print0', 'write only the paths, each followed by NUL, for xargs -0')
    .option('--html <file>', 'also write one HTML page with thumbnails of the pictures');
  return withMessageOptions(withCacheOptions(withModelOptions(command)), io, 'the number of skipped files and ')
    .addHelpText('after', EXAMPLES)
    .action(async (first: string | undefined, rest: string[], options: FindOptions) => {
      const { runFind } = await import('./run.ts');
      // With --like, the first argument is a text only if it is not a file or folder.
      const isText = first !== undefined && !(options.like !== undefined && (await exists(first)));
      const images = isText || first === undefined ? rest : [first, ...rest];
      onExit(await runFind(isText ? first : undefined, images, options, io));
    });
};
