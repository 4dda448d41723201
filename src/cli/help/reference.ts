import type { Command } from 'commander';
import type { Commands } from '../command.ts';
import type { Io } from '../io.ts';
import { examplesOf } from './short.ts';
import { TOPICS } from './topics.ts';

const PROGRAM = 'clip-classify';

/** Every command with its subcommands, sorted by name. */
async function allCommands(commands: Commands, io: Io): Promise<Command[]> {
  const top = await Promise.all(
    Object.entries(commands).map(async ([name, load]) =>
      (await load())(io, () => {}, commands)
        .name(`${PROGRAM} ${name}`)
        .helpOption('--help', 'show all options and examples'),
    ),
  );
  return top.flatMap((command) => [command, ...command.createHelp().visibleCommands(command)]);
}

const isListed = (command: Command) => command.name() !== 'help';
const isOwn = ({ long }: { readonly long?: string | undefined }) => long !== '--help';

function titleOf(command: Command): string {
  return command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
}

/** `docs/options.md`. */
export async function optionsPage(commands: Commands, io: Io): Promise<string> {
  const parts = (await allCommands(commands, io)).filter(isListed).map((command) => {
    const help = command.createHelp();
    const args = help.visibleArguments(command);
    const options = help.visibleOptions(command).filter(isOwn);
    return [
      `## ${titleOf(command)}`,
      `${sentence(command.description())}`,
      ...(args.length + options.length === 0 ? [] : ['| argument or option | meaning |\n|---|---|']).map((head) =>
        [
          head,
          ...args.map((argument) => `| ${code(help.argumentTerm(argument))} | ${cell(argument.description)} |`),
          ...options.map((option) => `| ${code(help.optionTerm(option))} | ${cell(help.optionDescription(option))} |`),
        ].join('\n'),
      ),
      ...examples(command, '```sh\n', '\n```'),
    ].join('\n\n');
  });
  const topics = Object.values(TOPICS).map(({ text }) => `\`\`\`\n${text().trimEnd()}\n\`\`\``);
  const about = 'Made from the same source as `--help` by `npm run reference`. Do not edit this page.';
  return `${['# Commands and options', about, ...parts, '## Formats, environment and exit codes', ...topics].join('\n\n')}\n`;
}

/** The man page, in roff. */
export async function manPage(commands: Commands, io: Io, version: string): Promise<string> {
  const parts = (await allCommands(commands, io)).filter(isListed).map((command) => {
    const help = command.createHelp();
    const options = help.visibleOptions(command).filter(isOwn);
    return [
      `.SS ${roff(titleOf(command))}`,
      roff(sentence(command.description())),
      ...options.map((option) => `.TP\n.B ${roff(help.optionTerm(option))}\n${roff(help.optionDescription(option))}`),
      ...examples(command, '.PP\n.nf\n', '\n.fi', roff),
    ].join('\n');
  });
  const topics = Object.entries(TOPICS).map(([name, { text }]) => `.SH ${name.toUpperCase()}\n.nf\n${roff(text())}.fi`);
  return `.TH CLIP-CLASSIFY 1 "" "${PROGRAM} ${version}"
.SH NAME
${PROGRAM} \\- zero\\-shot image classification with CLIP
.SH SYNOPSIS
.B ${PROGRAM}
[classify] images... \\-\\-labels list [options]
.br
.B ${PROGRAM}
command [options]
.SH COMMANDS
${[...parts, ...topics].join('\n')}
`;
}

function examples(
  command: Command,
  before: string,
  after: string,
  escaped: (text: string) => string = String,
): string[] {
  const lines = examplesOf(command).map((line) => escaped(line.trim().slice(2)));
  return lines.length === 0 ? [] : [`${before}${lines.join('\n')}${after}`];
}

function sentence(text: string): string {
  const [first = ''] = text.split('\n');
  return `${first.charAt(0).toUpperCase()}${first.slice(1)}.`;
}

const code = (text: string) => `\`${text.replaceAll('|', '\\|')}\``;
const cell = (text: string) => text.replaceAll('|', '\\|').replace(/[<>]/gu, (c) => `\\${c}`);

/** Escapes text for roff: hyphens stay hyphens when copied, and no line begins with a dot. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gmu, '\\&$1');
}
