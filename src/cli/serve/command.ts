import { Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from '../io.ts';
import { withCacheOptions } from '../options/cache-options.ts';
import { withLabelOptions, withScoreOptions } from '../options/label-options.ts';
import { withLogOption } from '../options/message-options.ts';
import { withModelOptions } from '../options/model-options.ts';
import { collectOne, wholeNumber } from '../options/values.ts';
import type { ServeOptions } from './run.ts';

const EXAMPLES = `
The model is loaded once. Only programs of this machine can ask, unless --host says otherwise.

Examples:
  $ clip-classify serve -l cat,dog
  $ clip-classify serve --socket /run/user/1000/clip.sock --idle-exit 600`;

export const serveCommand = (io: Io, onExit: (code: number) => void) => {
  const command = new Command('serve')
    .description('answer over HTTP with a model that stays loaded')
    .optionsGroup('Address:')
    .option('--port <n>', 'port; 0 takes a free one', portNumber, 7070)
    .option(
      '--host <address>',
      'address to listen on; any other address than 127.0.0.1 needs --token-file',
      '127.0.0.1',
    )
    .addOption(
      new Option(
        '--socket <path>',
        'listen on a Unix socket that only this user can open, instead of a port',
      ).conflicts(['port', 'host']),
    )
    .option('--idle-exit <s>', 'end when no request has come for this many seconds', wholeNumber(31_536_000))
    .optionsGroup('Access:')
    .option('--token-file <file>', 'requests need one of the tokens in this file, one per line')
    .option('--allow-host <name>', 'also answer requests with this Host header; repeatable', collectOne)
    .option(
      '--allow-origin <origin>',
      'also answer pages of this origin, such as https://photos.example; repeatable (default: none)',
      collectOne,
    )
    .option('--allow-urls', 'download images by their URLs, from public addresses only');
  withCacheOptions(withModelOptions(withScoreOptions(withLabelOptions(command)))).optionsGroup('Messages:');
  return withLogOption(command)
    .option('--quiet', 'print no address and no warnings')
    .option('--verbose', 'also print the causes of an error')
    .addHelpText('after', EXAMPLES)
    .action(async (options: ServeOptions, given: Command) => {
      const { runServe } = await import('./run.ts');
      onExit(await runServe({ ...options, isGiven: (name) => given.getOptionValueSource(name) === 'cli' }, io));
    });
};

function portNumber(text: string): number {
  if (/^\d{1,5}$/u.test(text) && Number(text) <= 65_535) return Number(text);
  throw new InvalidArgumentError('use a whole number from 0 to 65535.');
}
