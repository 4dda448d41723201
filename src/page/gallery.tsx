import { useEffect, useState } from 'preact/hooks';
import { percent } from './bars.tsx';
import { Card, type HeatMap } from './card.tsx';
import { MOST, type Pictures } from './pictures.ts';
import type { Rows } from './rows.ts';

interface Props {
  readonly pictures: Pictures;
  readonly rows: Rows;
  readonly threshold: number;
  /** Undefined if the model has none. */
  readonly heatMap: HeatMap | undefined;
}

/** All pictures, and how to add more. */
export function Gallery({ pictures, rows, threshold, heatMap }: Props) {
  const { all } = pictures;
  const said = useSummary(pictures, rows);
  return (
    <section aria-label="Pictures">
      <p class="unseen" role="status">
        {said}
      </p>
      {all.length === 0 ? (
        <div class="empty">
          <p class="large">Drop pictures here</p>
          <p>or paste them from the clipboard</p>
          <Choose label="Choose pictures" onFiles={pictures.add} />
          <p class="hint">
            Pictures are sent to this service only. It keeps their embeddings for an hour, not the pictures.
          </p>
        </div>
      ) : (
        <>
          <div class="bar">
            <h2>{all.length === 1 ? '1 picture' : `${all.length} pictures`}</h2>
            {heatMap && <p class="hint">Press a label to see where it is.</p>}
            {all.length < MOST ? (
              <Choose label="Add pictures" onFiles={pictures.add} />
            ) : (
              <p class="hint">The page takes {MOST} pictures.</p>
            )}
            <button type="button" class="quiet" onClick={pictures.clear}>
              Remove all
            </button>
          </div>
          <ul class="cards">
            {all.map((picture) => (
              <Card
                key={picture.key}
                picture={picture}
                row={rows.byPicture.get(picture.key)}
                threshold={threshold}
                heatMap={heatMap}
                onRemove={() => pictures.remove(picture.key)}
              />
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Choose({ label, onFiles }: { readonly label: string; onFiles(files: File[]): void }) {
  return (
    <label class="choose">
      {label}
      <input
        class="unseen"
        type="file"
        accept="image/*"
        multiple
        onChange={({ currentTarget }) => {
          onFiles([...(currentTarget.files ?? [])]);
          currentTarget.value = '';
        }}
      />
    </label>
  );
}

/** Milliseconds without a change before it is read out. */
const CALM_MS = 1_000;

/** What a screen reader says when the results have come to rest. */
function useSummary({ all }: Pictures, { byPicture }: Rows): string {
  const [said, setSaid] = useState('');
  const text = all
    .map(({ key, file }) => {
      const row = byPicture.get(key);
      if (row === undefined) return '';
      if (row.error !== undefined) return `${file.name}: ${row.error.message}`;
      return `${file.name}: ${row.label === null ? 'no label' : `${row.label}, ${percent(row.score)}`}`;
    })
    .filter((line) => line !== '')
    .slice(0, 5)
    .join('. ');
  useEffect(() => {
    const timer = setTimeout(() => setSaid(text), CALM_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return said;
}
