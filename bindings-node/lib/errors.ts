/** Errors: made from the one document that every face of barque has (`docs/errors.md`). */

/** The document of an error. */
export interface ErrorDocument {
  kind: string;
  code: number;
  status: number;
  reason: string;
  subject: { type: string; id: string } | null;
  message: string;
  causes: string[];
  errno: number | null;
}

/** What failed. Test `code` or `reason`, show the message: messages may change, codes and reasons do not. */
export class BarqueError extends Error {
  override name = 'BarqueError';
  /** `NOT_FOUND`, `CONFLICT`, `INVALID_ARGUMENT`, … */
  readonly code: string;
  /** The status the Docker Engine API has for it, as dockerode's errors. */
  readonly statusCode: number;
  /** Which case of the code: a short stable word such as `unknown_field`. */
  readonly reason: string;
  /** What it is about. */
  readonly subject: { type: string; id: string } | undefined;
  /** The system's error number, where one was the cause. */
  readonly errno: number | undefined;
  /** The message as Docker's answers carry it. */
  readonly json: { message: string };

  constructor(document: ErrorDocument, cause?: unknown) {
    super(
      [document.message, ...document.causes].join(': '),
      cause === undefined ? causeOf(document) : { cause },
    );
    this.code = document.kind.toUpperCase();
    this.statusCode = document.status;
    this.reason = document.reason;
    this.subject = document.subject ?? undefined;
    this.errno = document.errno ?? undefined;
    this.json = { message: document.message };
  }
}

/** An operation that its `AbortSignal` ended; `cause` is the signal's reason. */
export class AbortError extends BarqueError {
  override name = 'AbortError';

  constructor(cause?: unknown) {
    super(
      {
        kind: 'cancelled',
        code: -13,
        status: 500,
        reason: 'cancelled',
        subject: null,
        message: 'the operation was aborted',
        causes: [],
        errno: null,
      },
      cause,
    );
  }
}

function causeOf(document: ErrorDocument): { cause?: Error } {
  const [first, ...others] = document.causes;
  return first === undefined
    ? {}
    : { cause: new Error(first, causeOf({ ...document, causes: others })) };
}

/** The error that a rejection of the native addon stands for. */
export function fromNative(rejection: unknown): unknown {
  if (rejection instanceof Error && rejection.message.startsWith('{"')) {
    let document: ErrorDocument;
    try {
      document = JSON.parse(rejection.message) as ErrorDocument;
    } catch {
      return rejection;
    }
    if (typeof document.kind === 'string') return new BarqueError(document);
  }
  return rejection;
}

/** An error of this library's own, with a kind of the table. */
export function errorOf(kind: string, status: number, message: string): BarqueError {
  return new BarqueError({
    kind,
    code: 0,
    status,
    reason: kind,
    subject: null,
    message,
    causes: [],
    errno: null,
  });
}
