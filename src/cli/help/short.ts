import type { Command, Option } from 'commander';

/** The options that most people need, the most important first. */
const COMMON = [
  'labels',
  'labels-file',
  'to',
  'apply',
  'calibrate',
  'texts',
  'like',
  'output',
  'format',
  'top',
  'threshold',
  'background',
  'template',
  'model',
  'provider',
  'match',
  'files-from',
  'resume',
  'host',
  'port',
  'json',
  'name',
] as const;
const MOST = 10;
const EXAMPLES = 3;

/** `-h`: usage, at most ten options and three examples. `--help` has the rest. */
export function shortHelp(command: Command): string {
  const help = command.createHelp();
  const visible = help.visibleOptions(command);
  const listed = COMMON.flatMap((name) => visible.find((option) => option.name() === name) ?? []).slice(0, MOST);
  const term = (option: Option) => help.optionTerm(option);
  const width = Math.max(0, ...listed.map((option) => term(option).length));
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  return [
    `Usage: ${help.commandUsage(command)}`,
    '',
    command.description().split('\n')[0],
    ...(listed.length === 0 ? [] : ['', 'Common options:']),
    ...listed.map((option) => `  ${term(option).padEnd(width)}  ${firstClause(option.description)}`),
    ...(children.length === 0 ? [] : ['', 'Commands:']),
    ...children.map((child) => `  ${child.name().padEnd(8)}  ${child.description()}`),
    '',
    'Examples:',
    ...examplesOf(command).slice(0, EXAMPLES),
    '',
    `${fullName(command)} --help shows all options.`,
    '',
  ].join('\n');
}

/** A description without its details, which `--help` has. */
function firstClause(description: string): string {
  return description.split(/[:;] | \(|, or /u)[0] ?? '';
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

/** The lines of the examples at the end of a command's help. */
export function examplesOf(command: Command): string[] {
  const parts: string[] = [];
  const { writeOut, ...others } = command.configureOutput();
  command.configureOutput({ writeOut: (part) => void parts.push(part) }).outputHelp();
  command.configureOutput({ ...others, ...(writeOut && { writeOut }) });
  return parts
    .join('')
    .split('\n')
    .filter((line) => line.startsWith('  $ '));
}
