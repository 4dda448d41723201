import { type Command, CommanderError } from 'commander';
import { packageVersion } from '../disk/package-version.ts';
import { UsageError } from '../errors.ts';
import { JsonLog } from '../output/json.ts';
import { ClosedPipe } from '../output/sink.ts';
import { COMMANDS, type CommandName, commandNamed } from './commands.ts';
import { configureHelp, fitted, helpWidth } from './help/layout.ts';
import { refuseMistakes, refuseTopic, usageError } from './help/mistakes.ts';
import { shortHelp } from './help/short.ts';
import { TOPICS } from './help/topics.ts';
import { Interruption, type Io } from './io.ts';
import { sayError } from './messages.ts';
import { wantsJsonLog } from './options/message-options.ts';
import { isRepeatable, isStandardOutput } from './options/values.ts';
import { type RunError, RunReport } from './run-report.ts';

const SUMMARY = 'Zero-shot image classification: rank labels of your own for any image, with CLIP.';

/**
 * Runs one command line. If the first word is not the name of a command, it is an image to classify.
 *
 * @param argv the words without node and the script
 * @returns the exit code (see `help exit-codes`)
 */
export async function run(argv: readonly string[], world: Io): Promise<number> {
  // If the reader closes the pipe, the Sink reports it for results. Help and messages may be lost.
  for (const stream of [world.stdout, world.stderr]) stream.on('error', () => {});
  let exitCode = 0;
  const onExit = (code: number) => {
    exitCode = code;
  };
  const topic = argv[0] === 'help' ? TOPICS[argv[1] ?? ''] : undefined;
  if (topic !== undefined) {
    world.stdout.write(fitted(topic.text(), helpWidth(world)));
    return 0;
  }
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
  const named = commandNamed(words[0]);
  const log = wantsJsonLog(words) ? new JsonLog(world.stderr) : undefined;
  const report = new RunReport(named ?? 'classify', log);
  let isOrderly = false;
  const endsItself = () => {
    isOrderly = true;
    world.endsItself?.();
  };
  const io: Io = { ...world, ...(log && { log }), report, endsItself };
  const command = await createCommand(named, io, onExit);
  if (named === undefined && words.includes('--help')) command.description(await overview(io));
  if (argv.length === 2 && argv.includes('--version') && argv.includes('--verbose')) {
    io.stdout.write(await versions());
    return 0;
  }
  if (argv.length === 0) {
    io.stderr.write(fitted(shortHelp(command), helpWidth(io)));
    return 2;
  }
  const work = async () => {
    if (argv[0] === 'help') refuseTopic(argv[1], [...Object.keys(COMMANDS), ...Object.keys(TOPICS)]);
    if (named === undefined) await refuseMistakes(words, [...Object.keys(COMMANDS), 'help']);
    await command.parseAsync(named === undefined ? words : words.slice(1), { from: 'user' });
    return exitCode;
  };
  const verbose = argv.includes('--verbose');
  await report.start();
  const [code, error] = await ended(Promise.race([work(), interrupted(io.interruption, () => isOrderly)]), (error) =>
    sayError(io, error instanceof CommanderError ? usageError(error, command) : error, verbose),
  );
  const final = await report.writeSummary(code, error).then(
    () => code,
    (failure) => {
      sayError(io, failure, verbose);
      return 2;
    },
  );
  report.end(final);
  return final;
}

/** @returns the exit code, and the error that stopped the run */
async function ended(
  work: Promise<number>,
  tell: (error: unknown) => RunError,
): Promise<readonly [number, RunError | undefined]> {
  try {
    return [await work, undefined];
  } catch (error) {
    if (error instanceof ClosedPipe) return [0, undefined];
    if (error instanceof Interruption) return [error.exitCode, undefined];
    if (error instanceof CommanderError && error.exitCode === 0) return [0, undefined]; // --help, --version
    return [2, tell(error)];
  }
}

/** Milliseconds to complete the output after a signal. */
const GRACE_MS = 400;

/** @throws Interruption some time after the signal, so that a command can end by itself first */
function interrupted(signal: AbortSignal, endsItself: () => boolean): Promise<never> {
  return new Promise((_, failed) => {
    const end = () => endsItself() || failed(new Interruption(signal));
    signal.addEventListener('abort', () => setTimeout(end, GRACE_MS), { once: true });
  });
}

/** @param named the command; undefined for the program itself, which classifies */
async function createCommand(named: CommandName | undefined, io: Io, onExit: (code: number) => void): Promise<Command> {
  const command = (await COMMANDS[named ?? 'classify']())(io, onExit, COMMANDS);
  if (named !== undefined) command.name(`clip-classify ${named}`);
  else command.name('clip-classify').usage('[classify] <images...> --labels <list> [options]').description(SUMMARY);
  command.version(await packageVersion(), '--version', 'show the version');
  configureHelp(command, io);
  withShortHelp(command, io);
  refuseRepeats(command);
  command.hook('preAction', (_, action) => {
    if (isStandardOutput(action.getOptionValue('output'))) action.setOptionValue('output', undefined);
  });
  return command;
}

/** Adds `-h` to a command and its subcommands. After the name of a subcommand, it belongs to the subcommand. */
function withShortHelp(command: Command, io: Io): void {
  if (command.commands.length > 0) command.enablePositionalOptions();
  command.option('-h', 'show a short help').on('option:h', () => {
    io.stdout.write(fitted(shortHelp(command), helpWidth(io)));
    throw new CommanderError(0, 'commander.help', '(short help)');
  });
  for (const child of command.commands) withShortHelp(child, io);
}

/** Refuses an option that is given twice but can have only one value. */
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

/** The summary of the program, the other commands and the help topics. */
async function overview(io: Io): Promise<string> {
  const commands = await Promise.all(
    Object.entries(COMMANDS).map(async ([name, load]) => {
      return `  clip-classify ${name.padEnd(10)}  ${(await load())(io, () => {}, COMMANDS).description()}`;
    }),
  );
  const topics = Object.entries(TOPICS).map(
    ([name, { summary }]) => `  clip-classify help ${name.padEnd(11)}  ${summary}`,
  );
  return [SUMMARY, '', 'Commands (each has its own --help):', ...commands, '', 'Help topics:', ...topics].join('\n');
}

/** The versions of the parts, for bug reports. */
async function versions(): Promise<string> {
  const { parts } = await import('../model/doctor.ts');
  return [`clip-classify ${await packageVersion()}`, ...parts(), ''].join('\n');
}
