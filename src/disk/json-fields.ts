/** Unchecked fields of a JSON object. Each reader throws a TypeError that names the field. */
export type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${name} must be an object`);
  return Object.fromEntries(Object.entries(value));
}

export function list(from: Fields, name: string): readonly unknown[] {
  const value = from[name];
  if (!Array.isArray(value)) throw new TypeError(`${name} must be an array`);
  return value;
}

export function text(from: Fields, name: string): string {
  const value = from[name];
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a non-empty string`);
  return value;
}

export function texts(from: Fields, name: string): readonly string[] {
  return list(from, name).map((value) => text({ [name]: value }, name));
}

export function number(from: Fields, name: string): number {
  const value = from[name];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new TypeError(`${name} must be a number`);
  return value;
}

export function oneOf<const T extends string>(from: Fields, name: string, values: readonly T[]): T {
  const value = values.find((known) => known === from[name]);
  if (value === undefined) throw new TypeError(`${name} must be one of ${values.join(', ')}`);
  return value;
}
