import type { ClassifierOptions } from '../classifier.ts';
import type { Embedded } from '../embed/encoder.ts';
import type { DecodeOptions } from '../image/decode-options.ts';
import type { Learned } from '../learn/learned.ts';
import type { Label } from '../text/labels.ts';
import type { HeatMapSettings } from './heat-maps.ts';

/** Limits of one request, and of all requests together. */
export interface Limits {
  /** The most bytes of one request. */
  readonly bodyBytes: number;
  /** The most bytes of all requests that are being read or answered. */
  readonly bodiesBytes: number;
  /** Images of one request. */
  readonly images: number;
  /** Labels of one request; it may have ten times as many prompts. */
  readonly labels: number;
  /** Images that wait or are being encoded. */
  readonly queue: number;
  /** Label embeddings that are kept. */
  readonly labelRows: number;
  /** Embeddings of pictures that are kept for an hour after their last use. */
  readonly pictures: number;
}

export const LIMITS: Limits = {
  bodyBytes: 64_000_000,
  bodiesBytes: 512_000_000,
  images: 64,
  labels: 1_000,
  queue: 256,
  labelRows: 20_000,
  pictures: 1_000,
};

/** Who may send requests. */
export interface Access {
  /** More Host headers that are answered; those of the address that the service listens on always are. */
  readonly hosts: readonly string[];
  /** Origins of pages that may ask, in addition to the page of the service. */
  readonly origins: readonly string[];
  /** Undefined if no token is needed. */
  readonly tokens?: readonly string[];
}

/** The labels for requests without labels. */
export interface DefaultLabels extends ClassifierOptions {
  readonly labels: readonly (string | Label)[] | Learned;
}

/** What happened, for the log. */
export type Event =
  | {
      readonly event: 'request';
      readonly method: string;
      readonly route: string;
      readonly status: number;
      readonly ms: number;
      readonly images: number;
      readonly code?: string;
    }
  | { readonly event: 'model loaded again' | 'error'; readonly message: string };

export interface ServiceSettings {
  readonly limits: Limits;
  readonly access: Access;
  readonly urls: boolean;
  /** The default decode options of requests. */
  readonly decode: Partial<DecodeOptions>;
  readonly defaults?: DefaultLabels;
  readonly heatMaps: HeatMapSettings;
  readonly log: (event: Event) => void;
  /** Called with the result of each image. */
  readonly onImage: (result: Embedded) => void;
}
