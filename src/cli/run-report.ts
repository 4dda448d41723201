import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { packageVersion } from '../disk/package-version.ts';
import { UsageError } from '../errors.ts';
import type { JsonLog } from '../output/json.ts';
import { writeOutput } from '../output/open-output.ts';
import { type Counts, refusePicture, refuseToOverwrite } from '../output/result-output.ts';

/** Seconds between two lines of counts. */
const EVERY = 10;

/** The result of one image. */
export type Outcome = { readonly ok: true } | { readonly ok: false; readonly error: { readonly code: string } };

/** The error that stopped a run. */
export interface RunError {
  readonly code?: string;
  readonly message: string;
}

/** The model of a run, in this process or elsewhere. */
export interface OpenedModel {
  readonly name: string;
  readonly dtype: string;
  /** The sha256 of everything that its embeddings depend on. */
  digest(): Promise<string>;
  /** What images run on. */
  provider(): Promise<string>;
}

/** Records a run, for `--log json` during the run and for `--summary` at its end. See docs/logs.md. */
export class RunReport {
  private readonly started = new Date();
  private opened = performance.now();
  private readonly counts = { ok: 0, failed: 0 };
  private readonly codes: Record<string, number> = {};
  private readonly kept = { ok: 0, failed: 0 };
  private model: Record<string, unknown> | undefined;
  private provider: (() => Promise<unknown>) | undefined;
  private timer: NodeJS.Timeout | undefined;
  private summary: string | undefined;

  /** @param log absent without `--log json` */
  constructor(
    private readonly command: string,
    private readonly log: JsonLog | undefined,
    private readonly every = EVERY,
  ) {}

  async start(): Promise<void> {
    this.log?.write('start', { command: this.command, version: await packageVersion() });
  }

  /**
   * Checks the file of `--summary`.
   *
   * @param files files that it must not overwrite
   * @throws UsageError or OutputError
   */
  async writeTo(file: string, files: readonly string[]): Promise<void> {
    await refuseToOverwrite(file, files, '--summary');
    if (files.some((other) => resolve(other) === resolve(file)))
      throw new UsageError(`--summary ${file} is another file of this run`, 'use another file');
    await refusePicture(file);
    if ((await stat(file).catch(() => undefined))?.isDirectory())
      throw new UsageError(`--summary ${file} is a folder`, 'use the name of a file');
    this.summary = file;
  }

  /** Whether the summary needs the digest of the model. */
  get wantsDigest(): boolean {
    return this.summary !== undefined;
  }

  /** Called when the model is open: the time of the images begins. @param encodesImages whether the provider will be known */
  open({ name, dtype, provider }: OpenedModel, encodesImages: boolean, digest: string | undefined): void {
    this.opened = performance.now();
    this.model = { name, ...(digest && { digest }), dtype };
    this.log?.write('model', { model: name, ...(digest && { digest }), dtype });
    if (encodesImages) this.provider = provider;
    if (this.log === undefined) return;
    this.timer = setInterval(() => this.log?.write('progress', this.figures()), this.every * 1000);
    this.timer.unref();
  }

  count(outcome: Outcome): void {
    if (outcome.ok) this.counts.ok++;
    else {
      this.counts.failed++;
      const { code } = outcome.error;
      this.codes[code] = (this.codes[code] ?? 0) + 1;
    }
    if (outcome.ok && this.provider !== undefined) this.noteProvider(this.provider);
  }

  /** Rows that an earlier run has written. */
  keep({ ok, failed }: Counts): void {
    this.kept.ok += ok;
    this.kept.failed += failed;
  }

  private noteProvider(provider: () => Promise<unknown>): void {
    this.provider = undefined;
    provider().then(
      (name) => {
        if (this.model) this.model['provider'] = name;
        this.log?.write('provider', { provider: name });
      },
      () => {}, // the error of the run itself is printed
    );
  }

  private figures() {
    const { counts, codes } = this;
    const kept = this.kept.ok + this.kept.failed;
    const seconds = (performance.now() - this.opened) / 1000;
    const done = counts.ok + counts.failed;
    return {
      ...counts,
      ...(kept > 0 && { kept, kept_failed: this.kept.failed }),
      codes,
      seconds: rounded(seconds),
      images_per_second: rounded(done / Math.max(seconds, 1e-3)),
    };
  }

  /** Writes the file of `--summary`. @throws OutputError */
  async writeSummary(exitCode: number, error?: RunError): Promise<void> {
    if (this.summary === undefined) return;
    const { parts } = await import('../model/doctor.ts');
    const summary = {
      summary: 1,
      command: this.command,
      started: this.started.toISOString(),
      ended: new Date().toISOString(),
      exit_code: exitCode,
      ...this.figures(),
      ...(this.model && { model: this.model }),
      ...(error && { error }),
      versions: [`clip-classify ${await packageVersion()}`, ...parts()],
    };
    await writeOutput(this.summary, `${JSON.stringify(summary, null, 2)}\n`);
  }

  /** Records how the run ended. */
  end(exitCode: number): void {
    clearInterval(this.timer);
    this.log?.write('end', { exit_code: exitCode, ...this.figures() });
  }
}

function rounded(value: number): number {
  return Number(value.toFixed(3));
}
