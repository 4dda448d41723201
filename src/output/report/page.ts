import type { Evaluation, Interval } from '../../evaluate.ts';
import {
  type ComparedRun,
  chanceOf,
  comparisonText,
  confusedPairs,
  type EvaluationRun,
  imagesPerSecond,
  intervalsOf,
  intervalText,
  percent,
} from '../evaluation.ts';
import { withFlags } from '../flags.ts';
import { rounded } from '../writer.ts';
import { classesPart } from './classes.ts';
import { confusionPart } from './confusion.ts';
import { type Coverage, coveragePart } from './coverage.ts';
import { scrolling, section, share, table } from './figure.ts';
import { html, type Markup } from './markup.ts';
import { reliabilityPart } from './reliability.ts';
import { page } from './shell.ts';
import { STYLE } from './style.ts';
import { pictureKey } from './thumbnails.ts';

/**
 * An evaluation as one page.
 *
 * @param pictures `data:` addresses of the mistakes' images, by their `pictureKey`
 */
export function report(
  run: EvaluationRun,
  evaluation: Evaluation,
  pictures: ReadonlyMap<string, string>,
  { coverage, comparison }: { readonly coverage?: Coverage; readonly comparison?: ComparedRun | undefined } = {},
): string {
  const title = `${run.model} on ${run.truth}`;
  return page(
    title,
    STYLE,
    html`<header>
<h1>${title}</h1>
<p>${run.provider}, ${run.dtype}; ${evaluation.labels.length} labels; prompts: ${run.templates.join(', ')}</p>
${facts(run, evaluation)}${comparison === undefined ? html`` : html`<p id="comparison">${comparisonText(comparison)}</p>`}</header>
${figures(run, evaluation)}
<div class="parts">
${section(confusionPart(evaluation))}${section(classesPart(evaluation))}${section(reliabilityPart(evaluation))}${coverage === undefined ? html`` : section(coveragePart(coverage))}</div>
${mistakes(evaluation, pictures)}${failures(evaluation)}`,
  );
}

/** When and how the evaluation was made, where the labels come from, and the accuracy of guessing. */
function facts({ date, version, digest, labelsFrom }: EvaluationRun, evaluation: Evaluation): Markup {
  const run = date === undefined ? [] : [`${date}, clip-classify ${version ?? ''}`];
  const model = digest === undefined ? [] : [html`model digest <data value="${digest}">${digest.slice(0, 12)}…</data>`];
  const labels = labelsFrom === undefined ? [] : [`labels from ${labelsFrom}`];
  const chance = `chance level ${percent(chanceOf(evaluation))} (1 of ${evaluation.labels.length} labels)`;
  const all = [...run, ...labels, chance, ...model];
  return html`<p id="facts">${all.map((one, n) => html`${n === 0 ? html`` : html`; `}${one}`)}</p>`;
}

function figures(run: EvaluationRun, evaluation: Evaluation): Markup {
  const intervals = intervalsOf(evaluation);
  const { images, failed, refused, top1, precision, top5, meanPerClassRecall, ece } = evaluation;
  const speed = imagesPerSecond(run, evaluation);
  const entry = (id: string, name: string, value: Markup) =>
    html`<div id="${id}"><dt>${name}</dt><dd>${value}</dd></div>\n`;
  const number = (value: number, text: string) => html`<data value="${rounded(value)}">${text}</data>`;
  return html`<dl class="figures">
${entry('top1', 'Top-1 (right answer)', within(share(top1), intervals.top1))}${refused === 0 ? html`` : html`${entry('refused', 'Without a label', number(refused, String(refused)))}${entry('precision', 'Precision of the labelled images', within(share(precision), intervals.precision))}`}${entry('top5', 'Top-5 (right among the best five)', within(share(top5), intervals.top5))}${entry('meanPerClassRecall', 'Mean per-class recall', share(meanPerClassRecall))}${entry('ece', 'Calibration error', share(ece))}${entry('images', 'Images', number(images, String(images)))}${entry('failed', 'Failed', number(failed, String(failed)))}${entry('imagesPerSecond', 'Images per second', number(speed, speed.toFixed(1)))}</dl>`;
}

/** A share, and below it its 95 % interval. */
function within(value: Markup, interval: Interval | null): Markup {
  return interval === null ? value : html`${value}<small>95 %: ${intervalText(interval)}</small>`;
}

function mistakes(evaluation: Evaluation, pictures: ReadonlyMap<string, string>): Markup {
  const { mistakes } = evaluation;
  if (mistakes.length === 0) return html``;
  const one = (mistake: Mistakes[number], isNamed: boolean) => {
    const { image, truth, predicted, score } = mistake;
    const address = pictures.get(pictureKey(mistake));
    const picture =
      address === undefined
        ? html`<p class="missing">no picture</p>`
        : html`<img src="${address}" alt="${truth}, taken for ${predicted}">`;
    const names = isNamed ? html`${truth}, taken for <strong>${predicted}</strong> ` : html``;
    return html`<li>${picture}<p>${names}${share(score)}</p><p class="path">${image}</p></li>\n`;
  };
  const group = (title: string, all: Mistakes, isMixed: boolean) =>
    html`<div class="cell"><h3>${title}: ${all.length}</h3>\n<ol>\n${all.map((mistake) => one(mistake, isMixed))}</ol></div>\n`;
  const cells = byCell(mistakes);
  const several = cells.filter((cell) => cell.length > 1);
  const single = cells.filter((cell) => cell.length === 1).flat();
  const wrong = confusedPairs(evaluation).reduce(
    (sum, { predicted, images }) => sum + (predicted === null ? 0 : images),
    0,
  );
  const which = mistakes.length < wrong ? `The ${mistakes.length} of ${wrong} wrong answers` : 'The wrong answers';
  return html`<section id="mistakes" aria-labelledby="mistakes-title">
<h2 id="mistakes-title">Most confident mistakes</h2>
<p>${which} with the highest scores, by truth and answer. Some may be wrong labels in the truth.</p>
<div class="cells">
${several.map((cell) => group(`${cell[0].truth} taken for ${cell[0].predicted}`, cell, false))}${single.length === 0 ? html`` : group(several.length > 0 ? 'Other mistakes, each the only one of its kind' : 'Mistakes, each the only one of its kind', single, true)}</div>
</section>
`;
}

type Mistakes = Evaluation['mistakes'];

/** The mistakes of each cell of the confusion matrix, largest cell first. */
function byCell(mistakes: Mistakes): [Mistakes[number], ...Mistakes][] {
  const cells = new Map<string, [Mistakes[number], ...Mistakes[number][]]>();
  for (const mistake of mistakes) {
    const key = JSON.stringify([mistake.truth, mistake.predicted]);
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [mistake]);
    else cell.push(mistake);
  }
  return [...cells.values()].sort((a, b) => b.length - a.length);
}

function failures({ failures, failed }: Evaluation): Markup {
  if (failed === 0) return html``;
  const named = failures.length < failed ? `The first ${failures.length} of ${failed}` : 'All of them';
  return html`<section id="failures" aria-labelledby="failures-title">
<h2 id="failures-title">Failures</h2>
<p>These images could not be read and are in none of the figures.</p>
${scrolling(
  'Failures',
  table(
    named,
    ['Image', 'Truth', 'Code', 'What is the matter'],
    failures.map(({ image, truth, code, message }) => [image, truth, code, withFlags(message)]),
  ),
)}
</section>
`;
}
