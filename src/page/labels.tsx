import { labelsOf } from './settings.ts';

interface Props {
  readonly text: string;
  readonly warnings: readonly string[];
  onChange(text: string): void;
}

/** Where labels are typed. */
export function Labels({ text, warnings, onChange }: Props) {
  const count = labelsOf(text).length;
  return (
    <section>
      <label class="title" for="labels">
        Labels
      </label>
      <textarea
        id="labels"
        rows={6}
        spellcheck={false}
        autocapitalize="off"
        placeholder={'cat\ndog\na red house'}
        aria-describedby="labels-hint"
        value={text}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
      <p class="hint" id="labels-hint">
        One label on a line, or separated by commas. {count > 0 && `${count} ${count === 1 ? 'label' : 'labels'}.`}
      </p>
      {warnings.map((warning) => (
        <p class="warning" key={warning}>
          {sentence(warning)}
        </p>
      ))}
    </section>
  );
}

/** A warning of the library, which names its options. */
function sentence(warning: string): string {
  const text = warning.replace('`none`', 'a background class');
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}
