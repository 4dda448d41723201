import type { ImageResult } from '../../classifier.ts';
import type { Clip } from '../../clip.ts';
import type { ImageSource } from '../../image/source.ts';
import type { Learned } from '../../learn/learned.ts';
import type { Scoring } from '../../model/description.ts';
import type { Label } from '../../text/labels.ts';
import type { Amount } from '../given-images.ts';
import type { OpenedModel } from '../run-report.ts';

/** The labels of a run, and what opens the engine that ranks them. */
export interface Work {
  readonly classes: readonly Label[] | Learned;
  open(amount: Amount): Promise<Engine>;
}

/** What ranks labels for images: a model of this process, or one of a service. */
export interface Engine extends OpenedModel, Scoring {
  /** The model, if it is in this process. */
  readonly clip?: Clip;
  /** Labels of its own, for a run without labels. */
  readonly labels: readonly string[];
  /** Takes the labels of the run. @throws LabelsError or UsageError */
  begin(): Promise<Ranking>;
  release(): Promise<void>;
}

/** An engine that has the labels of a run. */
export interface Ranking {
  readonly templates: readonly string[];
  /** One result per image, in order. @param images undefined for the stored embeddings of `--from` */
  rank(images: AsyncIterable<ImageSource> | undefined): AsyncIterable<ImageResult>;
}
