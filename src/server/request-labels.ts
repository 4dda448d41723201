import type { ClassifierOptions } from '../classifier.ts';
import { isLearned } from '../learn/learned.ts';
import type { Service } from './context.ts';
import type { LabelSet } from './label-memory.ts';
import type { Parameters } from './parameters.ts';
import { badRequest, tooLarge } from './problems.ts';

/** The labels of a request, or those of the service. @throws LabelsError, UsageError; Problem 400, 413 or 429 */
export async function labelSetOf(
  { host, labels: memory, settings, defaults }: Service,
  { labels, classifier: options }: Pick<Parameters, 'labels' | 'classifier'>,
): Promise<LabelSet> {
  if (labels !== undefined) {
    const { labels: most } = settings.limits;
    if (labels.length > most) throw tooLarge(`there are ${labels.length} labels; the limit is ${most}`);
    return memory.classifier(host.clip, labels, options);
  }
  if (settings.defaults === undefined || defaults === undefined)
    throw badRequest('there are no labels; add labels=cat,dog to the address, or "labels" to the body');
  if (Object.keys(options).length === 0) return defaults;
  const { labels: own, ...others } = settings.defaults;
  if (isLearned(own) && options.templates !== undefined)
    throw badRequest('the labels of this service have templates of their own');
  const merged: ClassifierOptions = { ...others, ...options };
  return memory.classifier(host.clip, own, merged, true);
}
