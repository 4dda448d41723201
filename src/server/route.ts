import type { Respond } from './context.ts';

/** One method of one path. */
export interface Route {
  readonly respond: Respond;
  /** What /openapi.json says about it. */
  readonly operation: Operation;
  /** Who may ask: whoever has a token; anybody; anybody, also by a link on another page. @default 'token' */
  readonly access?: 'token' | 'anybody' | 'link';
}

/** Routes by path and method. */
export type Routes = Readonly<Record<string, Readonly<Partial<Record<'GET' | 'POST', Route>>>>>;

/** A schema of JSON Schema. */
export type JsonSchema = object;

/** An operation of OpenAPI 3.1. */
export interface Operation {
  readonly summary: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: 'query';
    readonly description: string;
    readonly schema: JsonSchema;
    readonly explode?: boolean;
  }[];
  readonly requestBody?: { readonly required: true; readonly content: MediaTypes };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content: MediaTypes }>>;
}

/** Schemas of bodies by media type. */
export type MediaTypes = Readonly<Record<string, { readonly schema: JsonSchema }>>;
