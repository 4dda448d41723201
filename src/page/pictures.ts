import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import type { Refusal, Service } from './service.ts';

/** Pictures that are sent at once. */
const SENDING = 4;
/** Pictures of a page: far fewer than the service keeps, so that pages do not push each other out. */
export const MOST = 200;

/** A picture on the page. */
export interface Picture {
  readonly key: number;
  readonly file: File;
  /** Shows the file. */
  readonly url: string;
  readonly state: { readonly kind: 'sending' } | { readonly kind: 'kept'; readonly id: string } | Failed;
}

interface Failed {
  readonly kind: 'failed';
  readonly error: Refusal;
}

export interface Pictures {
  readonly all: readonly Picture[];
  add(files: Iterable<File>): void;
  remove(key: number): void;
  clear(): void;
  /** Sends pictures again that the service no longer keeps. */
  renew(keys: readonly number[]): void;
}

let lastKey = 0;

/** The pictures, which are sent to the service as they come. @param onTrouble told if the service refuses or is gone */
export function usePictures(service: Service | undefined, onTrouble: (error: unknown) => void): Pictures {
  const [all, setAll] = useState<readonly Picture[]>([]);
  const begun = useRef(new Set<number>());
  const update = useCallback((key: number, state: Picture['state']) => {
    setAll((old) => old.map((one) => (one.key === key ? { ...one, state } : one)));
  }, []);

  useEffect(() => {
    if (service === undefined) return;
    const sending = all.filter(({ state }) => state.kind === 'sending');
    const running = sending.filter(({ key }) => begun.current.has(key));
    const next = sending.filter(({ key }) => !begun.current.has(key)).slice(0, SENDING - running.length);
    for (const { key, file } of next) {
      begun.current.add(key);
      service
        .keep(file)
        .then((kept) => update(key, 'id' in kept ? { kind: 'kept', id: kept.id } : { kind: 'failed', ...kept }))
        .catch((error: unknown) => {
          onTrouble(error);
          const message = error instanceof Error ? error.message : String(error);
          update(key, { kind: 'failed', error: { code: 'E_SERVICE', message } });
        })
        .finally(() => begun.current.delete(key));
    }
  }, [all, service, update, onTrouble]);

  return {
    all,
    add(files) {
      const added = [...files].slice(0, MOST - all.length).map((file): Picture => {
        return { key: ++lastKey, file, url: URL.createObjectURL(file), state: { kind: 'sending' } };
      });
      setAll((old) => [...old, ...added]);
    },
    remove(key) {
      setAll((old) => old.filter((one) => one.key !== key || free(one)));
    },
    clear() {
      setAll((old) => old.filter(free));
    },
    renew(keys) {
      setAll((old) => old.map((one) => (keys.includes(one.key) ? { ...one, state: { kind: 'sending' } } : one)));
    },
  };
}

function free({ url }: Picture): false {
  URL.revokeObjectURL(url);
  return false;
}
