import type { Commands } from './command.ts';

/** Each command is loaded when it is called, so that a start loads only one. */
export const COMMANDS = {
  classify: async () => (await import('./classify/command.ts')).classifyCommand,
  completion: async () => (await import('./completion/command.ts')).completionCommand,
  doctor: async () => (await import('./doctor/command.ts')).doctorCommand,
  embed: async () => (await import('./embed/command.ts')).embedCommand,
  eval: async () => (await import('./eval/command.ts')).evalCommand,
  find: async () => (await import('./find/command.ts')).findCommand,
  labels: async () => (await import('./labels/command.ts')).labelsCommand,
  learn: async () => (await import('./learn/command.ts')).learnCommand,
  models: async () => (await import('./models/command.ts')).modelsCommand,
  serve: async () => (await import('./serve/command.ts')).serveCommand,
  sort: async () => (await import('./sort/command.ts')).sortCommand,
  tag: async () => (await import('./tag/command.ts')).tagCommand,
} as const satisfies Commands;

export type CommandName = keyof typeof COMMANDS;

/** The command with this name. */
export function commandNamed(word: string | undefined): CommandName | undefined {
  return word !== undefined && Object.hasOwn(COMMANDS, word) ? (word as CommandName) : undefined;
}
