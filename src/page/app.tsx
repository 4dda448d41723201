import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import type { HeatMap } from './card.tsx';
import { Command } from './command.tsx';
import { Dropping } from './dropping.tsx';
import { Gallery } from './gallery.tsx';
import { Labels } from './labels.tsx';
import { More } from './more.tsx';
import { Options } from './options.tsx';
import { usePictures } from './pictures.ts';
import { useRows } from './rows.ts';
import { type Facts, Service, ServiceError } from './service.ts';
import { escapeLabel, INITIAL, labelsOf, questionOf, type Settings, templatesOf } from './settings.ts';
import { Token } from './token.tsx';

/** The status if the token is wrong or missing. */
const UNAUTHORIZED = 401;
const NO_LABELS: readonly string[] = [];

/** The page: labels and options on one side, pictures with their bars on the other. */
export function App() {
  const [service, setService] = useState(() => new Service(undefined));
  const [facts, setFacts] = useState<Facts>();
  const [settings, setSettings] = useState<Settings>(INITIAL);
  const [trouble, setTrouble] = useState<ServiceError>();
  const change = useCallback((some: Partial<Settings>) => {
    setTrouble(undefined);
    setSettings((old) => ({ ...old, ...some }));
  }, []);
  const onTrouble = useCallback((error: unknown) => {
    setTrouble(error instanceof ServiceError ? error : new ServiceError(0, String(error)));
  }, []);

  useEffect(() => {
    service.facts().then((found) => {
      setTrouble(undefined);
      setFacts(found);
      setSettings((old) => (old.labels === '' ? { ...old, labels: found.labels.map(escapeLabel).join('\n') } : old));
    }, onTrouble);
  }, [service, onTrouble]);

  const ready = facts === undefined ? undefined : service;
  const pictures = usePictures(ready, onTrouble);
  const own = facts?.labels ?? NO_LABELS;
  const question = useMemo(
    () => (labelsOf(settings.labels).length > 0 ? questionOf(settings, own) : undefined),
    [settings, own],
  );
  const rows = useRows(ready, pictures, question, facts?.limits.images ?? 1, onTrouble);
  const templates = templatesOf(settings).join();
  const heatMap: HeatMap = useCallback(
    (file, label, signal) => service.heatMap(file, label, templates === '' ? [] : [templates], signal),
    [service, templates],
  );
  const isRefused = trouble?.status === UNAUTHORIZED;

  return (
    <Dropping onFiles={pictures.add}>
      <header class="top">
        <h1>clip-classify</h1>
        <p>Type labels and see how well each one fits your pictures.</p>
        {facts && (
          <p class="model">
            <span>Model</span> {facts.id}
          </p>
        )}
      </header>
      {isRefused ? (
        <Token isWrong={service.token !== undefined} onToken={(token) => setService(new Service(token))} />
      ) : (
        <main>
          <form class="side" aria-label="Labels and options" onSubmit={(event) => event.preventDefault()}>
            <Labels text={settings.labels} warnings={rows.warnings} onChange={(labels) => change({ labels })} />
            <More>
              <Options settings={settings} sets={facts?.template_sets ?? []} onChange={change} />
              <Command settings={settings} names={pictures.all.map(({ file }) => file.name)} model={facts?.id ?? ''} />
            </More>
          </form>
          <div class="results">
            {trouble && (
              <p class="trouble" role="alert">
                {trouble.message}
              </p>
            )}
            <Gallery
              pictures={pictures}
              rows={rows}
              threshold={settings.threshold}
              heatMap={facts?.heat_map ? heatMap : undefined}
            />
          </div>
        </main>
      )}
    </Dropping>
  );
}
