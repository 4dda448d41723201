/** Codes of errors that stop the whole run (exit code 2). */
export type RunErrorCode =
  | 'E_USAGE'
  | 'E_LABELS'
  | 'E_MODEL'
  | 'E_CHECKSUM'
  | 'E_PROVIDER'
  | 'E_HUB'
  | 'E_OFFLINE'
  | 'E_CACHE'
  | 'E_SERVER'
  | 'E_OUTPUT';

/** Codes of errors of one image (an error row, exit code 1). */
export type ImageErrorCode =
  | 'E_NOT_FOUND'
  | 'E_UNREADABLE'
  | 'E_FORMAT'
  | 'E_DECODE'
  | 'E_PIXEL_LIMIT'
  | 'E_FILE_SIZE'
  | 'E_TIMEOUT'
  | 'E_CRASH'
  | 'E_URL';

/**
 * The base of all errors of this package: a fact with the wrong value in it, and the next step. `message` has both on one line.
 * The error that it was made from, if there is one, is the `cause`.
 */
export abstract class ClipError extends Error {
  abstract readonly code: RunErrorCode | ImageErrorCode;
  readonly fact: string;
  readonly nextStep: string;

  constructor(fact: string, nextStep: string, cause?: unknown) {
    const [shownFact, shownStep] = [withoutLogins(oneLine(fact)), withoutLogins(nextStep)];
    super(oneLine(`${shownFact}; ${shownStep}`), cause === undefined ? {} : { cause });
    this.fact = shownFact;
    this.nextStep = shownStep;
  }

  /** What JSON.stringify writes; an ordinary error would become `{}`. */
  toJSON() {
    const { name, code, message, fact, nextStep } = this;
    return { name, code, message, fact, nextStep };
  }
}

/** A message may quote what a user gave, and a URL there may hold a user and a password. */
function withoutLogins(text: string): string {
  return text.replace(/\b([a-z][a-z0-9+.-]+:[\\/]+)[^\s\\/?#@]*@/giu, '$1***@');
}

/** An option or argument is wrong, or two of them contradict each other. */
export class UsageError extends ClipError {
  override readonly name = 'UsageError';
  readonly code = 'E_USAGE';
}

/** The labels or prompt templates cannot be used. */
export class LabelsError extends ClipError {
  override readonly name = 'LabelsError';
  readonly code = 'E_LABELS';
}

/** A model is missing, damaged, contradicts its own config or is of an architecture that is not supported. */
export class ModelError extends ClipError {
  override readonly name = 'ModelError';
  readonly code = 'E_MODEL';
}

/** The requested execution provider does not work on this machine. */
export class ProviderError extends ClipError {
  override readonly name = 'ProviderError';
  readonly code = 'E_PROVIDER';
}

/** The Hugging Face Hub, or a proxy on the way to it, did not return the requested model. */
export class HubError extends ClipError {
  override readonly name = 'HubError';
  readonly code = 'E_HUB';
}

/** The network is needed, but `--offline` or `HF_HUB_OFFLINE` forbids it. */
export class OfflineError extends ClipError {
  override readonly name = 'OfflineError';
  readonly code = 'E_OFFLINE';
}

/** A file does not have the checksum of its model card, of the Hub, or of the time when it was downloaded. */
export class ChecksumError extends ClipError {
  override readonly name = 'ChecksumError';
  readonly code = 'E_CHECKSUM';
}

/** Results could not be written. */
export class OutputError extends ClipError {
  override readonly name = 'OutputError';
  readonly code = 'E_OUTPUT';
}

/** The cache folder cannot be read or written. */
export class CacheError extends ClipError {
  override readonly name = 'CacheError';
  readonly code = 'E_CACHE';
}

/** A service that was asked for the rows (`--server`) cannot be reached, refuses, or answers something else. */
export class ServerError extends ClipError {
  override readonly name = 'ServerError';
  readonly code = 'E_SERVER';
}

/** One image cannot be classified. In a batch it becomes a result, `{ ok: false, error }`, never a throw. */
export class ImageError extends ClipError {
  override readonly name = 'ImageError';
  readonly code: ImageErrorCode;

  constructor(code: ImageErrorCode, fact: string, nextStep: string, cause?: unknown) {
    super(fact, nextStep, cause);
    this.code = code;
  }
}

/** An error in the form in which it is sent between processes. */
export interface PlainError {
  readonly code: string;
  readonly fact: string;
  readonly nextStep: string;
}

const RUN_ERRORS: Readonly<Record<string, new (fact: string, nextStep: string) => ClipError>> = {
  E_USAGE: UsageError,
  E_LABELS: LabelsError,
  E_HUB: HubError,
  E_OFFLINE: OfflineError,
  E_OUTPUT: OutputError,
  E_PROVIDER: ProviderError,
  E_CHECKSUM: ChecksumError,
  E_CACHE: CacheError,
};

/** The error that another process has sent, if it is not about one image. */
export function runErrorOf({ code, fact, nextStep }: PlainError): ClipError {
  return new (RUN_ERRORS[code] ?? ModelError)(fact, nextStep);
}

/** Characters that control a terminal: control characters, and Unicode's bidirectional controls. */
const OBEYED = /[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;

/** A text on one line, without control characters. File names and messages of libraries may contain any character. */
export function oneLine(text: string): string {
  return plain(text.replace(/\s+/gu, ' ')).trim();
}

/** A name for a message. White space at its ends and an empty name are visible. */
export function shownName(name: string): string {
  return name === '' || /^\s|\s$/u.test(name) ? JSON.stringify(name) : name;
}

/** A label or path on one line, without control characters. Its spaces are kept. */
export function plain(text: string): string {
  return text.replace(OBEYED, '\uFFFD');
}

/** A text that can have line breaks, without control characters. */
export function printable(text: string): string {
  return text.split('\n').map(plain).join('\n');
}

/** What is said of EMFILE, and the next step. */
export const TOO_MANY_FILES = 'too many files are open';
export const MORE_FILES = 'raise the limit of open files: ulimit -n 1024';

/** Error codes of the operating system and of undici in words. */
const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'the operation is not permitted',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  EEXIST: 'it exists already',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left, the disk is full',
  EDQUOT: 'the disk quota is used up',
  EMFILE: TOO_MANY_FILES,
  ENAMETOOLONG: 'the path is too long',
  ELOOP: 'the path has too many symbolic links',
  EFBIG: 'the file would be larger than the limit (ulimit -f) or the file system allows',
  ENFILE: 'too many files are open on this machine',
  ENXIO: 'it is a socket, or a device that does not exist',
  ENODEV: 'there is no such device',
  ENOMEM: 'there is not enough memory',
  ESTALE: 'the network disk has lost the file',
  ENOTCONN: 'the disk is no longer connected',
  EXDEV: 'it is on another file system',
  EIO: 'the device reports a read or write error',
  EBUSY: 'another program is using it',
  EADDRINUSE: 'another program listens there',
  EADDRNOTAVAIL: 'this machine does not have the address',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was closed by the other side',
  ETIMEDOUT: 'the connection timed out',
  ENETUNREACH: 'the network cannot be reached',
  EHOSTUNREACH: 'the host cannot be reached',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up now',
  UND_ERR_SOCKET: 'the connection was closed by the other side',
  UND_ERR_CONNECT_TIMEOUT: 'the connection timed out',
};

/** The message of anything that was thrown. Errors of the operating system are put into words. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  const known = 'code' in error && typeof error.code === 'string' ? SYSTEM_ERRORS[error.code] : undefined;
  if (error.message === 'bad port') return 'HTTP clients refuse to use this port';
  return known ?? oneLine(error.message);
}
