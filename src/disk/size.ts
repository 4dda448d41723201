const FACTORS: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

/** `500MB`, `2 GB`, `1.5G` or bytes without a unit; `GiB` is 2³⁰. @returns bytes; undefined if the text is not a size */
export function parseSize(text: string): number | undefined {
  const [, digits = '', prefix = '', binary] = /^(\d+(?:\.\d+)?) ?([kmgt]?)(i?)b?$/iu.exec(text.trim()) ?? [];
  const factor = FACTORS[prefix.toLowerCase()];
  if (digits === '' || factor === undefined || (binary && prefix === '')) return undefined;
  return Math.round(Number(digits) * (binary ? 1024 ** (Math.log10(factor) / 3) : factor));
}

/** 58467 → 58.5 kB; 605143284 → 605.1 MB; 2e9 → 2.0 GB. */
export function formatSize(bytes: number): string {
  const [unit, factor] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
  return `${(bytes / factor).toFixed(1)} ${unit}`;
}
