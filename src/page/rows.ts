import { useEffect, useRef, useState } from 'preact/hooks';
import type { Picture, Pictures } from './pictures.ts';
import type { Question, Row, Service } from './service.ts';

/** Milliseconds after the last key before the service is asked. */
const PAUSE_MS = 120;

/** What the service says about the pictures. */
export interface Rows {
  readonly byPicture: ReadonlyMap<number, Row>;
  readonly warnings: readonly string[];
}

const NONE: Rows = { byPicture: new Map(), warnings: [] };

/** Asks for the rows of all pictures whenever they or the question change; the last rows stay until new ones are there. */
export function useRows(
  service: Service | undefined,
  pictures: Pictures,
  question: Question | undefined,
  most: number,
  onTrouble: (error: unknown) => void,
): Rows {
  const [rows, setRows] = useState<Rows>(NONE);
  const renew = useRef(pictures.renew);
  renew.current = pictures.renew;
  const kept = pictures.all.flatMap(({ key, state }) => (state.kind === 'kept' ? [{ key, id: state.id }] : []));
  const asked = JSON.stringify([kept, question]);

  useEffect(() => {
    if (service === undefined || question === undefined || kept.length === 0) return setRows(NONE);
    const left = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await ask(service, kept, question, most, left.signal);
        setRows(found.rows);
        if (found.forgotten.length > 0) renew.current(found.forgotten);
      } catch (error) {
        if (!left.signal.aborted) onTrouble(error);
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      left.abort();
    };
  }, [service, asked]);
  return rows;
}

type Kept = { readonly key: Picture['key']; readonly id: string };

/** @param most pictures of one request */
async function ask(service: Service, kept: readonly Kept[], question: Question, most: number, signal: AbortSignal) {
  const byPicture = new Map<number, Row>();
  const forgotten: number[] = [];
  let warnings: readonly string[] = [];
  for (let first = 0; first < kept.length; first += most) {
    const some = kept.slice(first, first + most);
    const ids = some.map(({ id }) => id);
    const answer = await service.classify(ids, question, signal);
    for (const [n, { key }] of some.entries()) {
      const row = answer.results[n];
      if (row?.error?.code === 'E_NOT_FOUND') forgotten.push(key);
      else if (row !== undefined) byPicture.set(key, row);
    }
    warnings = answer.warnings ?? [];
  }
  return { rows: { byPicture, warnings }, forgotten };
}
