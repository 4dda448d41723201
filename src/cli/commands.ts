/** Each command is loaded when it is called: a start pays for no other. */
export const COMMANDS = {
  classify: async () => (await import('./classify.ts')).classifyCommand,
  completion: async () => (await import('./completion.ts')).completionCommand,
  doctor: async () => (await import('./doctor.ts')).doctorCommand,
  embed: async () => (await import('./embed.ts')).embedCommand,
  eval: async () => (await import('./eval.ts')).evalCommand,
  models: async () => (await import('./models.ts')).modelsCommand,
} as const;

/** The command that a word names. */
export function commandNamed(word: string | undefined): keyof typeof COMMANDS | undefined {
  return word !== undefined && Object.hasOwn(COMMANDS, word) ? (word as keyof typeof COMMANDS) : undefined;
}
