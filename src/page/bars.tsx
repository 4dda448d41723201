import { useState } from 'preact/hooks';
import type { Ranked, Row } from './service.ts';

/** Bars that are shown at first. */
const FEW = 5;

interface Props {
  readonly row: Row & { error?: undefined };
  readonly threshold: number;
  /** The label whose heat map is shown. */
  readonly shown: string | undefined;
  /** Undefined if there are no heat maps. */
  readonly onShow: ((label: string) => void) | undefined;
}

/** The labels of a picture, best first. A press on one shows its heat map. */
export function Bars({ row, threshold, shown, onShow }: Props) {
  const [isAll, setIsAll] = useState(false);
  const labels = isAll ? row.labels : row.labels.slice(0, FEW);
  const hidden = row.labels.length - FEW;
  return (
    <>
      <ol class="bars">
        {labels.map((ranked) => (
          <li key={ranked.label} class={ranked.label === row.label ? 'best' : ''}>
            {onShow === undefined ? (
              <div class="label">
                <Bar ranked={ranked} threshold={threshold} />
              </div>
            ) : (
              <button
                type="button"
                class="label"
                aria-pressed={ranked.label === shown}
                title="Show the heat map of this label"
                onClick={() => onShow(ranked.label)}
              >
                <Bar ranked={ranked} threshold={threshold} />
              </button>
            )}
          </li>
        ))}
      </ol>
      {hidden > 0 && (
        <button type="button" class="quiet more" aria-expanded={isAll} onClick={() => setIsAll(!isAll)}>
          {isAll ? 'Fewer labels' : `${hidden} more ${hidden === 1 ? 'label' : 'labels'}`}
        </button>
      )}
    </>
  );
}

function Bar({ ranked: { label, score }, threshold }: { readonly ranked: Ranked; readonly threshold: number }) {
  return (
    <>
      <span class="name">{label}</span>
      <span class="score">{percent(score)}</span>
      <span class="track" aria-hidden="true">
        <span class="fill" style={{ width: `${100 * score}%` }} />
        {threshold > 0 && <span class="tick" style={{ left: `${100 * threshold}%` }} />}
      </span>
    </>
  );
}

/** @param share 0 to 1 */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
