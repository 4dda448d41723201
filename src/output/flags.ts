import type { ImageError } from '../errors.ts';

/** The flag for each option of the library. The library writes the names of its options in backticks. */
const FLAGS: Readonly<Record<string, string>> = {
  labels: '--labels',
  none: '--background',
  nonePrompts: '--background-prompt',
  threshold: '--threshold',
  minMargin: '--min-margin',
  multiLabel: '--multi-label',
  templates: '--template',
  about: '--about',
  level: '--level',
  top: '--top',
  svg: '--allow-svg',
  maxPixels: '--max-pixels',
  page: '--page',
  resize: '--resize',
  timeout: '--timeout',
  batch: '--batch',
  threads: '--threads',
  provider: '--provider',
  device: '--device',
  dtype: '--dtype',
  offline: '--offline',
  perHost: '--per-host',
  logitScale: '--logit-scale',
  logitBias: '--logit-bias',
};

/** Rewrites a message of the library for the command line: `` `minMargin` `` becomes `--min-margin`. */
export function withFlags(message: string): string {
  return message.replace(/`(\w+)`/gu, (whole, name: string) =>
    Object.hasOwn(FLAGS, name) ? String(FLAGS[name]) : whole,
  );
}

/** The error of one image on one line. */
export function errorText({ code, message }: Pick<ImageError, 'code' | 'message'>): string {
  return `${code}: ${withFlags(message)}`;
}

/** The error of one image as a field of a JSON row. */
export function errorField({ code, message }: Pick<ImageError, 'code' | 'message'>) {
  return { error: { code, message: withFlags(message) } };
}
