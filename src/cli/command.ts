import type { Command } from 'commander';
import type { Io } from './io.ts';

/** Makes a command of commander. Its action reports the exit code. Completion also needs the other commands. */
export type CreateCommand = (io: Io, onExit: (code: number) => void, commands: Commands) => Command;

/** The commands by name. Each is loaded when it is called. */
export type Commands = Readonly<Record<string, () => Promise<CreateCommand>>>;
