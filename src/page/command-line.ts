import { escapeLabel, labelsOf, type Settings, templatesOf } from './settings.ts';

/** The model of a command line without `-m`. */
const DEFAULT_MODEL = 'starter';

/** A command line for a POSIX shell that gives the same rows. @param names of the pictures */
export function commandLine(settings: Settings, names: readonly string[], model: string): string {
  const labels = labelsOf(settings.labels).map(escapeLabel).join(',');
  const { background, multiLabel, threshold } = settings;
  const words = [
    'clip-classify',
    ...(names.length > 0 ? names : ['photo.jpg']).map(asPath),
    ...(labels === '' ? [] : ['-l', labels]),
    ...templatesOf(settings).flatMap((template) => ['-t', template]),
    ...(background ? ['--background'] : []),
    ...(multiLabel ? ['--multi-label'] : []),
    ...(threshold > 0 ? ['--threshold', String(threshold)] : []),
    ...(model === DEFAULT_MODEL ? [] : ['-m', model]),
  ];
  return words.map(quote).join(' ');
}

/** A name that is not an option or a URL. */
function asPath(name: string): string {
  return /^-|^\w+:/u.test(name) ? `./${name}` : name;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
