import { readFile } from 'node:fs/promises';
import { type Command, CommanderError } from 'commander';
import { UsageError } from '../errors.ts';
import { ClosedPipe } from '../output/sink.ts';
import { COMMANDS, commandNamed } from './commands.ts';
import { Interruption, type Io } from './io.ts';
import { sayError } from './messages.ts';
import { isRepeatable, isStandardOutput } from './options/values.ts';

const OVERVIEW = `Zero-shot image classification: rank labels of your own for any image, with CLIP.

Other commands (--help after each says more):
  clip-classify embed       the embeddings of images or texts, as jsonl or npy
  clip-classify eval        accuracy on labelled images, with an HTML report
  clip-classify learn       a classifier from a few labelled images
  clip-classify models      list, pull, import and inspect models
  clip-classify doctor      what this machine can run, and how to mend what it cannot
  clip-classify completion  what a shell needs to complete command lines`;

/**
 * Runs one command line. The first word is a command only if it is the name of one; else it is an image to classify.
 *
 * @param argv without node and the script
 * @returns the exit code: 0 all well, 1 an image failed, 2 nothing could run, 130 and 143 after SIGINT and SIGTERM
 */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  // Where the reader has gone, results are told by the Sink; help and messages are lost without harm.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  let exitCode = 0;
  const onExit = (code: number) => {
    exitCode = code;
  };
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
  const named = commandNamed(words[0]);
  const createCommand = await COMMANDS[named ?? 'classify']();
  const command = createCommand(io, onExit, COMMANDS);
  command.version(await packageVersion());
  if (named === undefined) asProgram(command);
  else command.name(`clip-classify ${named}`);
  letThrow(command, io);
  refuseRepeats(command);
  command.hook('preAction', (_, action) => {
    if (isStandardOutput(action.getOptionValue('output'))) action.setOptionValue('output', undefined);
  });
  try {
    const work = command.parseAsync(named === undefined ? words : words.slice(1), { from: 'user' });
    await Promise.race([work, interrupted(io.interruption)]);
    return exitCode;
  } catch (error) {
    if (error instanceof ClosedPipe) return 0;
    if (error instanceof Interruption) return error.exitCode;
    if (error instanceof CommanderError && error.exitCode === 0) return 0; // --help, --version
    sayError(io, error instanceof CommanderError ? usageError(error, command) : error, argv.includes('--verbose'));
    return 2;
  }
}

/** What is being written has this long to be made whole. */
const GRACE_MS = 400;

/** @throws Interruption some time after the signal: a command that can end in order does so before */
function interrupted(signal: AbortSignal): Promise<never> {
  return new Promise((_, failed) => {
    signal.addEventListener('abort', () => setTimeout(() => failed(new Interruption(signal)), GRACE_MS), {
      once: true,
    });
  });
}

function asProgram(command: Command): void {
  command.name('clip-classify').usage('[classify] <images...> --labels <list> [options]').description(OVERVIEW);
}

/** commander would print and exit by itself; here it throws, and one place decides. */
function letThrow(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: () => {},
  });
  for (const child of command.commands) letThrow(child, io);
}

/** An option that counts once is not dropped in silence when it is given twice. */
function refuseRepeats(command: Command): void {
  for (const option of command.options) {
    if (!(option.required || option.optional) || isRepeatable(option)) continue;
    let given = 0;
    command.on(`option:${option.name()}`, () => {
      if (++given > 1) throw new UsageError(`${option.long ?? option.flags} is given twice`, 'remove one of them');
    });
  }
  for (const child of command.commands) refuseRepeats(child);
}

function usageError(error: CommanderError, command: Command): UsageError {
  const fact = error.message.replace(/^error: /u, '').replace(/\.$/u, '');
  return new UsageError(
    fact === '(outputHelp)' ? 'a subcommand is missing' : fact,
    `${command.name()} --help lists what there is`,
  );
}

async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}
