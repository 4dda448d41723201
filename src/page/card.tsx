import { useEffect, useState } from 'preact/hooks';
import { Bars } from './bars.tsx';
import type { Picture } from './pictures.ts';
import type { Row } from './service.ts';

/** Draws where a label is in a picture. */
export type HeatMap = (file: File, label: string, signal: AbortSignal) => Promise<Blob>;

interface Props {
  readonly picture: Picture;
  readonly row: Row | undefined;
  readonly threshold: number;
  readonly heatMap: HeatMap | undefined;
  onRemove(): void;
}

/** A picture, its label and its bars. */
export function Card({ picture, row, threshold, heatMap, onRemove }: Props) {
  const { file, url, state } = picture;
  const [shown, setShown] = useState<string>();
  const isThere = row?.error === undefined && row?.labels.some(({ label }) => label === shown) === true;
  const map = useHeatMap(file, isThere ? shown : undefined, heatMap);
  const [isBlind, setIsBlind] = useState(false);
  const error = state.kind === 'failed' ? state.error : row?.error;
  return (
    <li class="card">
      <figure>
        {isBlind ? (
          <p class="well">The browser cannot show this file.</p>
        ) : (
          <img class="well" src={url} alt={file.name} onError={() => setIsBlind(true)} />
        )}
        {map?.url && <img class="well map" src={map.url} alt={`Heat map of ${shown}: ${file.name}`} />}
        {map && !map.url && !map.message && <p class="note">Drawing …</p>}
        <button type="button" class="remove" aria-label={`Remove ${file.name}`} onClick={onRemove}>
          <svg viewBox="0 0 16 16" aria-hidden="true">
            <path d="M4 4l8 8M12 4l-8 8" />
          </svg>
        </button>
      </figure>
      <div class="facts">
        <h3 title={file.name}>{file.name}</h3>
        {error && <p class="trouble">{error.message}</p>}
        {!error && row?.error === undefined && row && (
          <>
            <Verdict row={row} />
            {map && <p class="hint">{map.message ?? `Yellow patches fit “${shown}” best.`}</p>}
            <Bars
              row={row}
              threshold={threshold}
              shown={map && shown}
              onShow={heatMap && ((label) => setShown(label === shown ? undefined : label))}
            />
          </>
        )}
        {!error && !row && <p class="hint">{state.kind === 'sending' ? 'Sending …' : 'Type a label.'}</p>}
      </div>
    </li>
  );
}

function Verdict({ row }: { readonly row: Row & { error?: undefined } }) {
  if (row.label !== null) return <p class="verdict">{row.label}</p>;
  const why = { threshold: 'below the threshold', none: 'the background fits best', margin: 'too close' };
  return <p class="verdict none">No label: {why[row.reason as keyof typeof why] ?? 'no score is high enough'}</p>;
}

type Map = { readonly url?: string; readonly message?: string };

/** @param label undefined for no map */
function useHeatMap(file: File, label: string | undefined, draw: HeatMap | undefined): Map | undefined {
  const [map, setMap] = useState<Map>();
  useEffect(() => {
    if (label === undefined || draw === undefined) return setMap(undefined);
    const left = new AbortController();
    let url: string | undefined;
    setMap({});
    draw(file, label, left.signal).then(
      (blob) => {
        if (left.signal.aborted) return;
        url = URL.createObjectURL(blob);
        setMap({ url });
      },
      (error) => left.signal.aborted || setMap({ message: error.message }),
    );
    return () => {
      left.abort();
      if (url) URL.revokeObjectURL(url);
    };
  }, [file, label, draw]);
  return map;
}
