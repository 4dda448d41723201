import { join } from 'node:path';
import { ModelError, messageOf } from '../errors.ts';
import { readModelText } from './model-file.ts';
import { isRecord } from './safetensors.ts';

/** Parses a JSON file of a model folder. */
export async function readModelJson(folder: string, file: string): Promise<Record<string, unknown>> {
  const path = join(folder, file);
  const next = `put the ${file} of the model there`;
  const text = await readModelText(path, next);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ModelError(`cannot read ${path}: ${messageOf(error)}`, next, error);
  }
  if (!isRecord(value)) throw new ModelError(`${path} is not a JSON object`, next);
  return value;
}

/** Reads and checks fields of a config. Errors name the file, field and value. */
export class ConfigReader {
  private readonly fields: Readonly<Record<string, unknown>>;

  constructor(
    fields: unknown,
    private readonly name: string,
    readonly folder: string,
  ) {
    if (!isRecord(fields)) {
      throw new ModelError(`${name} in ${folder} is not an object`, mend);
    }
    this.fields = { ...fields };
  }

  section(key: string): ConfigReader {
    return new ConfigReader(this.fields[key] ?? {}, `${key} of ${this.name}`, this.folder);
  }

  number(key: string): number | undefined {
    const value = this.fields[key] ?? undefined;
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value) && value >= 0)) return value;
    throw new ModelError(
      `${key} in ${this.name} (${this.folder}) is ${JSON.stringify(value)}; it must be a number`,
      mend,
    );
  }

  whole(key: string): number | undefined {
    const value = this.number(key);
    if (value === undefined || Number.isSafeInteger(value)) return value;
    throw new ModelError(`${key} in ${this.name} (${this.folder}) is ${value}; it must be a whole number`, mend);
  }

  /** Whether a field is true. A missing field is false. */
  flag(key: string): boolean {
    return this.fields[key] === true;
  }

  /** Whether a field is false; one that is missing is not. */
  isFalse(key: string): boolean {
    return this.fields[key] === false;
  }

  choice<const T extends string>(key: string, choices: readonly T[]): T | undefined {
    const value = this.fields[key] ?? undefined;
    if (value === undefined) return undefined;
    const choice = choices.find((one) => one === value);
    if (choice !== undefined) return choice;
    throw new ModelError(
      `${key} in ${this.name} (${this.folder}) is ${JSON.stringify(value)}`,
      `supported values: ${choices.join(', ')}`,
    );
  }

  mustAgree(key: string, actual: number, tensor: string): void {
    const said = this.number(key);
    if (said !== undefined && said !== actual) {
      throw this.contradiction(key, said, `${actual} (${tensor})`);
    }
  }

  contradiction(key: string, said: number | string, actual: string): ModelError {
    return new ModelError(`${key} in ${this.name} (${this.folder}) is ${said}, but the model has ${actual}`, mend);
  }
}

const mend = 'use the config.json that belongs to these weights';
