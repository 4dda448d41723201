import type { Commands } from './command.ts';

/** Each command is loaded when it is called: a start pays for no other. */
export const COMMANDS = {
  classify: async () => (await import('./classify/command.ts')).classifyCommand,
  completion: async () => (await import('./completion/command.ts')).completionCommand,
  doctor: async () => (await import('./doctor/command.ts')).doctorCommand,
  embed: async () => (await import('./embed/command.ts')).embedCommand,
  eval: async () => (await import('./eval/command.ts')).evalCommand,
  find: async () => (await import('./find/command.ts')).findCommand,
  learn: async () => (await import('./learn/command.ts')).learnCommand,
  models: async () => (await import('./models/command.ts')).modelsCommand,
} as const satisfies Commands;

/** The command that a word names. */
export function commandNamed(word: string | undefined): keyof typeof COMMANDS | undefined {
  return word !== undefined && Object.hasOwn(COMMANDS, word) ? (word as keyof typeof COMMANDS) : undefined;
}
