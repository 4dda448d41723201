import { RootCommand, ShellCompDirective, script, type Command as Taught } from '@bomb.sh/tab';
import { Argument, Command } from 'commander';
import { modelCards } from '../../hub/registry.ts';
import { modelNames } from '../../model/find.ts';
import { Sink } from '../../output/sink.ts';
import { templateSets } from '../../text/prompts.ts';
import type { Commands } from '../command.ts';
import type { Io } from '../io.ts';

const NAME = 'clip-classify';
const SHELLS = ['bash', 'zsh', 'fish'] as const;

const EXAMPLES = `
Examples:
  $ clip-classify completion bash >> ~/.bashrc
  $ clip-classify completion zsh >> ~/.zshrc                  # after compinit
  $ clip-classify completion fish > ~/.config/fish/completions/clip-classify.fish`;

/**
 * Passes the words to the program unchanged: nothing on the command line is executed. It defines no global names and does not need
 * the package bash-completion. bash splits words at `=` and `:`, so they are joined again.
 */
const BASH = `__clip_classify_complete() {
    local -a words=()
    local n word before='' line
    for ((n = 1; n <= COMP_CWORD; n++)); do
        word=\${COMP_WORDS[n]}
        if ((\${#words[@]} > 0)) && [[ $word == [=:] || $before == [=:] ]]; then
            words[\${#words[@]} - 1]+=$word
        else
            words+=("$word")
        fi
        before=$word
    done
    COMPREPLY=()
    while IFS= read -r line; do
        [[ $line == :* ]] || COMPREPLY+=("\${line%%$'\\t'*}")
    done < <(${NAME} completion complete -- "\${words[@]}" 2>/dev/null)
    ((\${#COMPREPLY[@]} == 0)) || compopt +o default 2>/dev/null
}
complete -o default -F __clip_classify_complete ${NAME}
`;

/** The script of a shell asks `clip-classify completion complete -- <words>` what could come next. */
export const completionCommand = (io: Io, _onExit: (code: number) => void, commands: Commands): Command => {
  const completion = new Command('completion')
    .description('print a completion script for a shell')
    .usage('<shell>')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(SHELLS))
    .helpCommand(false)
    .addHelpText('after', EXAMPLES)
    .action(async (shell: string) => {
      const sink = new Sink(io.stdout, 'standard output');
      if (shell === 'bash') await sink.write(BASH);
      else script(shell, NAME, `${NAME} completion`);
    });
  completion
    .command('complete', { hidden: true })
    .argument('[words...]')
    .action(async (words: string[]) => {
      await new Sink(io.stdout, 'standard output').write(await suggestions(words, io, commands));
    });
  return completion;
};

/** Prints each completion of the last word on a line. The last line says whether a file name is possible, too. */
async function suggestions(words: readonly string[], io: Io, commands: Commands): Promise<string> {
  const named = words.length > 1 && Object.hasOwn(commands, words[0] as string) ? words[0] : undefined;
  const root = new RootCommand();
  const own = await OwnWords.read(io);
  own.teach(
    root,
    (await (commands[named ?? 'classify'] as Commands[string])())(io, () => {}, commands),
  );
  if (words.length === 1) {
    for (const [name, load] of Object.entries(commands))
      root.command(name, (await load())(io, () => {}, commands).description());
    root.option('version', 'output the version number');
  }
  // The library would not offer files, but most words here are files.
  Object.defineProperty(root, 'complete', { value: () => {} });
  root.parse(named === undefined ? [...words] : words.slice(1));
  const last = words.at(-1) ?? '';
  const typed = last.startsWith('-') ? last.slice(last.indexOf('=') + 1) : last;
  const found = new Map(root.completions.map(({ value, description }) => [value, description ?? '']));
  const lines = [...found].filter(([value]) => value.startsWith(typed)).map(([value, what]) => `${value}\t${what}\n`);
  const { ShellCompDirectiveNoFileComp, ShellCompDirectiveDefault } = ShellCompDirective;
  return `${lines.join('')}:${lines.length > 0 ? ShellCompDirectiveNoFileComp : ShellCompDirectiveDefault}\n`;
}

/** Names of models and template sets, which no command lists itself. */
class OwnWords {
  private constructor(private readonly words: Readonly<Record<string, readonly string[]>>) {}

  static async read({ env }: Io): Promise<OwnWords> {
    const [models, cards] = [await modelNames(env), (await modelCards()).map(({ name }) => name)];
    return new OwnWords({ model: models, template: [...templateSets().keys()], pull: cards });
  }

  /** Options, arguments and subcommands of a command. */
  teach(root: RootCommand, command: Command): void {
    this.teachOne(root, command);
    for (const child of command.createHelp().visibleCommands(command)) {
      if (child.name() !== 'help') this.teachOne(root.command(child.name(), child.description()), child);
    }
  }

  private teachOne(taught: Taught, command: Command): void {
    for (const { long, short, required, description, argChoices } of command.createHelp().visibleOptions(command)) {
      const name = (long ?? '').slice(2);
      const alias = short?.slice(1);
      if (required) taught.option(name, description, offer(argChoices ?? this.words[name]), alias);
      else taught.option(name, description, alias);
    }
    for (const argument of command.registeredArguments) {
      const words = argument.argChoices ?? this.words[command.name() === 'pull' ? 'pull' : argument.name()];
      taught.argument(argument.name(), offer(words), argument.variadic);
    }
  }
}

const offer =
  (words: readonly string[] = []) =>
  (complete: (value: string, description: string) => void) => {
    for (const word of words) complete(word, '');
  };
