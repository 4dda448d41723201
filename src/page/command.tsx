import { useEffect, useRef, useState } from 'preact/hooks';
import { commandLine } from './command-line.ts';
import type { Settings } from './settings.ts';

interface Props {
  readonly settings: Settings;
  readonly names: readonly string[];
  readonly model: string;
}

/** The command line that gives the same rows, to be copied. */
export function Command({ settings, names, model }: Props) {
  const text = commandLine(settings, names, model);
  const code = useRef<HTMLElement>(null);
  const [said, setSaid] = useState('');
  useEffect(() => setSaid(''), [text]);
  const copy = async () => {
    if (code.current) getSelection()?.selectAllChildren(code.current);
    // Browsers allow the clipboard only for https and for this machine.
    const isCopied = await Promise.resolve(navigator.clipboard?.writeText(text).then(() => true)).catch(() => false);
    setSaid(isCopied ? 'Copied' : 'Press Ctrl+C');
  };
  return (
    <section class="command">
      <h2 class="title">Command line</h2>
      <pre>
        <code ref={code}>{text}</code>
      </pre>
      <button type="button" onClick={copy}>
        Copy as command line
      </button>
      <span role="status">{said}</span>
    </section>
  );
}
