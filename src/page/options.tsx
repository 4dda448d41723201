import { OWN, type Settings } from './settings.ts';

interface Props {
  readonly settings: Settings;
  /** Names of template sets. */
  readonly sets: readonly string[];
  onChange(some: Partial<Settings>): void;
}

/** How labels become scores, and scores become a label. */
export function Options({ settings, sets, onChange }: Props) {
  const { templates, ownTemplate, background, multiLabel, threshold } = settings;
  return (
    <section class="options">
      <label class="title" for="templates">
        Template
      </label>
      <select
        id="templates"
        value={templates}
        onChange={({ currentTarget: { value } }) => onChange({ templates: value })}
      >
        {sets.map((name) => (
          <option value={name} key={name}>
            {DESCRIBED[name] ?? name}
          </option>
        ))}
        <option value={OWN}>your own</option>
      </select>
      {templates === OWN && (
        <input
          aria-label="Your own template; {} stands for the label"
          value={ownTemplate}
          spellcheck={false}
          onInput={({ currentTarget: { value } }) => onChange({ ownTemplate: value })}
        />
      )}
      <div class="slider">
        <label class="title" for="threshold">
          Threshold
        </label>
        <output for="threshold">{Math.round(threshold * 100)} %</output>
        <input
          id="threshold"
          type="range"
          min="0"
          max="100"
          value={Math.round(threshold * 100)}
          aria-describedby="threshold-hint"
          onInput={({ currentTarget: { value } }) => onChange({ threshold: Number(value) / 100 })}
        />
      </div>
      <p class="hint" id="threshold-hint">
        A picture whose best score is lower gets no label.
      </p>
      <Check
        label="Background class"
        hint="A picture that fits no label gets none."
        isOn={background}
        onChange={(on) => onChange({ background: on })}
      />
      <Check
        label="Several labels"
        hint="Each label is scored on its own."
        isOn={multiLabel}
        onChange={(on) => onChange({ multiLabel: on })}
      />
    </section>
  );
}

/** Template sets in words. */
const DESCRIBED: Readonly<Record<string, string>> = {
  photo: 'a photo of a …',
  bare: 'the label alone',
  'openai-7': 'openai-7: 7 templates',
  'openai-80': 'openai-80: 80 templates, slow',
  'cifar-18': 'cifar-18: 18 templates for small pictures',
};

interface CheckProps {
  readonly label: string;
  readonly hint: string;
  readonly isOn: boolean;
  onChange(isOn: boolean): void;
}

function Check({ label, hint, isOn, onChange }: CheckProps) {
  return (
    <label class="check">
      <input type="checkbox" checked={isOn} onChange={({ currentTarget: { checked } }) => onChange(checked)} />
      <span>
        {label}
        <small>{hint}</small>
      </span>
    </label>
  );
}
