import { FORMATS } from '../../output/format.ts';
import { templateSets } from '../../text/prompts.ts';

/** Help pages about more than one command. */
export const TOPICS: Readonly<Record<string, { readonly summary: string; text(): string }>> = {
  formats: { summary: 'output formats, and template sets for prompts', text: formats },
  environment: { summary: 'environment variables', text: environment },
  'exit-codes': { summary: 'exit codes and error codes', text: exitCodes },
};

const MEANING: Readonly<Record<string, string>> = {
  table: 'for people: a bar for each label (default on a terminal)',
  json: 'one object for the run, with the rows in "results"',
  jsonl: 'one JSON object per line and image (default if the output is not a terminal)',
  csv: 'one line for each ranked label, with a header',
  tsv: 'like csv, separated by tabs',
  label: 'only the best label, one line per image',
  parquet: 'one row per image with a list of its labels, for DuckDB, Spark or pandas (needs --output)',
};

function formats(): string {
  const sets = [...templateSets()].map(([name, templates]) => [
    name,
    templates.length === 1 ? String(templates[0]) : `${templates.length} templates`,
  ]);
  return `Output formats of classify (--format, or the extension of --output):
${rows(FORMATS.map((format) => [format, MEANING[format] ?? '']))}

Template sets (--template):
${rows(sets)}

A template is a text with {} or <label> in place of the label. Several templates are averaged.
`;
}

function environment(): string {
  return `Environment variables:
${rows([
  ['CLIP_CLASSIFY_MODEL', 'default model; --model takes precedence'],
  ['CLIP_CLASSIFY_CACHE', 'folder for converted weights and cached embeddings (default: the cache folder of the user)'],
  ['CLIP_CLASSIFY_CACHE_SIZE', 'most cached embeddings, such as 500MB or 10GB; none means no limit (default: 2GB)'],
  [
    'CLIP_CLASSIFY_WEIGHTS_SIZE',
    'most converted weights and optimized graphs, such as 20GB; none means no limit (default: 10GB)',
  ],
  ['CLIP_CLASSIFY_SERVER', 'address of a service that classifies instead of this process; --server takes precedence'],
  ['HF_HUB_CACHE, HF_HOME', 'folder of the Hugging Face cache, which is shared with Python'],
  ['HF_ENDPOINT', 'address of the Hugging Face Hub or of a mirror'],
  ['HF_TOKEN, HF_TOKEN_PATH', 'token for private and gated models'],
  ['HF_HUB_OFFLINE', '1 means: do not use the network, as --offline'],
  ['https_proxy, no_proxy', 'proxy for connections, and hosts that are reached without it'],
  ['NO_COLOR', 'any value turns colors off'],
])}
`;
}

function exitCodes(): string {
  return `Exit codes:
${rows([
  ['0', 'every image has a result'],
  ['1', 'at least one image failed; its row has an error'],
  ['2', 'the run could not start, for example because of a wrong option, label or model'],
  ['129, 130, 143', 'the run was interrupted by SIGHUP, SIGINT or SIGTERM'],
])}

Error codes of a run (exit code 2):
  E_USAGE E_LABELS E_MODEL E_CHECKSUM E_PROVIDER E_HUB E_OFFLINE E_CACHE E_SERVER E_OUTPUT

Error codes of an image (exit code 1):
  E_NOT_FOUND E_UNREADABLE E_FORMAT E_DECODE E_PIXEL_LIMIT E_FILE_SIZE E_TIMEOUT E_CRASH E_URL
`;
}

function rows(lines: readonly (readonly string[])[]): string {
  const width = Math.max(...lines.map(([name = '']) => name.length));
  return lines.map(([name = '', text = '']) => `  ${name.padEnd(width)}  ${text}`).join('\n');
}
