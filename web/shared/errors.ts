// All error and notice codes, and the page's one error class. The crate defines the types of its own errors.
import type { CrateError, Notice } from "lorito-wasm";
import type { Engine, EngineReason } from "./engines";

/** The fields of the errors and notices that arise in TypeScript, by code. */
interface PageProblems {
  /** A call that is not allowed while a model trains. */
  busy: object;
  /** The page is open in another tab, too, which would get files of two versions. */
  "open-elsewhere": object;
  /** Another tab of this page trains and saves. */
  "run-in-another-tab": object;
  /** The text is no address, or its scheme is neither http nor https. */
  "address-invalid": { url: string };
  /** `status` is the host's HTTP status, 0 without a response. */
  "download-failed": { url: string; status: number; host?: string };
  /**
   * The host responds, but does not allow other pages to read its files (CORS). With `kind` "or-gone" it may not exist:
   * an isolated page (COOP and COEP) cannot distinguish the two.
   */
  "download-blocked": { url: string; host: string };
  /** The address leads to a web page instead of a model. */
  "download-is-page": { url: string; host: string };
  /** The host has sent no data for so many `seconds`. */
  "download-silent": { url: string; host: string; seconds: number };
  /** This browser has no storage for pages, or refuses it (private window, no https). */
  "storage-unavailable": { reason: string };
  /** The ZIP archive cannot be read, or its directory is false; `reason` has the details. */
  "archive-damaged": { reason: string };
  /** The file `name` in the ZIP archive is encrypted. */
  "archive-encrypted": { name: string };
  /** The archive `name` has no file that can be read as text; `found` are some of its files. */
  "archive-without-text": { name: string; found: readonly string[] };
  /** `count` files of the archive `name` were skipped; `found` are some of them. */
  "left-in-archive": { name: string; count: number; found: readonly string[] };
  /** `count` files of the folder `name` are neither texts nor part of a model, and were skipped. */
  "left-in-folder": { name: string; count: number; found: readonly string[] };
  /** `count` texts were dropped at once or are in an archive; at most `limit` can be added. */
  "too-many-texts": { count: number; limit: number };
  /** The dropped items contain no files. */
  "no-files": object;
  /** The dropped items contain more than `limit` files. */
  "too-many-files": { limit: number };
  /** The archive `name` was added as text but contains a model. */
  "model-not-text": { name: string };
  /** The browser cannot read the file `name`: it was moved, or access is denied. */
  "file-unreadable": { name: string };
  /** Several weight files, `found`, and no way to decide which ones make the model. */
  "weights-unclear": { found: readonly string[] };
  /** The model was opened with the weight files `used`; others in its folder, `names`, were ignored. */
  "weights-passed-over": { used: readonly string[]; names: readonly string[] };
  /** The folders `names` contain models, too; only the one of `name` was opened. */
  "models-passed-over": { name: string; names: readonly string[] };
  /** The model was opened without the adapter that `name` describes. */
  "adapter-left-out": { name: string };
  /** The model was opened without these tokens of its tokenizer, for which it has no weights. */
  "tokens-left-out": { tokens: readonly string[] };
  /** The model has chat templates with these names, which are not used; with `kind` "none" it has no default one. */
  "templates-left-out": { names: readonly string[]; kind?: "none" | undefined };
  /** The one-page model is damaged or truncated. */
  "one-page-damaged": object;
  /** A file needed for a one-page model could not be fetched; `status` is the host's HTTP status, 0 without a response. */
  "one-page-missing": { status: number };
  /** Browsers cannot open a one-page model of so many `bytes`. */
  "one-page-too-large": { bytes: number; limit: number };
  /** The disk, or the browser's quota for this site, is full. */
  "storage-full": object;
  /** The browser's storage failed for another `reason`. */
  "storage-failed": { reason: string };
  /** The browser's storage was cleared during a run; the run has been saved again at `step`. */
  "storage-cleared": { step: number };
  /** A run continues without being saved. */
  "not-saved": { reason?: string };
  /** No saved model has this `name`. */
  "no-such-model": { name: string };
  /** The file is not a downloaded run. */
  "not-a-run": object;
  /** The sample `name` could not be fetched; `status` is the host's HTTP status, 0 without a response. */
  "sample-missing": { name: string; status: number };
  /** The system could not share the file `name`. */
  "share-failed": { name: string };
  /** The user cancelled a transfer. */
  cancelled: object;
  /** `name` is neither a repository's name nor its address. */
  "hub-name-invalid": { name: string };
  /** The hub `host` does not respond: it does not exist, or this machine is offline. */
  "hub-unreachable": { host: string; reason: string; name?: string };
  "hub-not-found": OfHub;
  "hub-revision-not-found": OfHub & { revision: string };
  /** The repository is private or gated. */
  "hub-forbidden": OfHub;
  /** The hub responds with the error `status`, or with an invalid body. */
  "hub-failed": OfHub & { status: number };
  /** The connection was interrupted repeatedly. */
  "hub-interrupted": OfHub & { loaded: number; bytes: number };
  /** A file's length or hash differs from what the hub lists. */
  "hub-file-damaged": OfHub;
  /** The weights are in forms that cannot be opened, or in several files of which each is a model; `found` are these. */
  "hub-no-safetensors": OfHub & { found: readonly string[] };
  "hub-no-model": OfHub;
  /** The repository lacks `file`, which its weight index names. */
  "hub-file-missing": OfHub & { file: string };
  "hub-too-large": { name: string; bytes: number; limit: number };
  "hub-no-parquet": OfHub;
  /** The file was fetched but could not be stored in the browser; `kind` is the code of the reason. */
  "hub-not-kept": object;
  /** The text is not a valid token. */
  "hub-token-invalid": object;
  /** The hub `host` was chosen by a link: nothing is uploaded to it. */
  "hub-linked": { host: string };
  /** The connection to the hub `host` is not encrypted, so a token could be read in transit. */
  "hub-token-exposed": { host: string };
  /** This page is inside another page's frame: it accepts no token. */
  "hub-token-framed": { host: string };
  /** The hub rejects the token. */
  "hub-token-refused": OfHub;
  /** The token has no write permission for the repository. */
  "hub-not-yours": OfHub;
  /** A private repository was requested, but the existing one is public. */
  "hub-is-public": OfHub;
  /** The document `name` cannot be read; `reason` has the details. */
  "document-damaged": { name: string; reason: string };
  /** The document `name` opens only with a password, or in its shop's program. */
  "document-encrypted": { name: string };
  /** A page or part of the document `name` was given up after so many `seconds`. */
  "document-too-slow": { name: string; seconds: number };
  /** The document `name` has `count` pages. */
  "document-too-long": { name: string; count: number; limit: number };
  /** All `count` pages of the PDF `name` are without text: they are scans, or other pictures. */
  "pdf-without-text": { name: string; count: number };
  /** The Parquet file `name` cannot be read; `reason` has the details. */
  "parquet-damaged": { name: string; reason: string };
  /** None of the Parquet file's `columns` contains text. */
  "parquet-no-text": { name: string; columns: readonly string[] };
  /** The GPU is out of memory; `reason` is the browser's message. */
  "gpu-out-of-memory": { reason: string };
  /** The call was not completed because the user chose another engine meanwhile. */
  "engine-changed": object;
  /** The instance was closed (`close`). */
  closed: object;
  /** The engine has not started yet. */
  "engine-starting": object;
  /** The engine has been restarted; `engine` is the one now in use, and a run continues from `step`. */
  recovered: { engine: Engine; reason: EngineReason; step?: number };
  /** The engine has been restarted, but not all of its state could be restored; `reason` is the code of the cause. */
  "state-lost": { reason: string };
  /** Training ended while the page was hidden; `words` describe the result. */
  "ended-unseen": { words: string };
  /**
   * GPU and CPU disagree on a run's first batch: the losses differ by `lossDifference` and the gradients by
   * `gradientDifference`, relative to the CPU's; `tolerance` is the largest accepted difference. With `kind` "forced" the
   * address requests the GPU, and the CPU does not take over.
   */
  "self-check-failed": { lossDifference: number; gradientDifference: number; tolerance: number };
  /** A script gave a value of another JavaScript `type` where a string is expected. */
  "not-a-string": { type: string };
  /** A lazily loaded script of the page could not be fetched. */
  "part-missing": object;
}

/** A request to the hub `host`, and its response. */
interface OfHub {
  name: string;
  host: string;
  status?: number;
}

type PageProblem = { [Code in keyof PageProblems]: { code: Code } & PageProblems[Code] }[keyof PageProblems];

/**
 * An error or notice as it is sent by the worker: structured cloning would strip the class and fields of an error instance.
 * `kind` chooses among several sentences for one code.
 */
export type Problem = (CrateError | Notice | PageProblem) & { readonly kind?: string | null | undefined };

export type ErrorCode = Problem["code"];

/** The code of a command that the GPU or its driver would reject again: the run ends. */
export const rejected = "gpu-command-rejected" satisfies ErrorCode;

/**
 * The error with which every method of {@link Lorito} rejects. `code` is stable; `fields` hold the offending value and what
 * would be valid, for example `{ heads: 3, width: 8, allowed: [1, 2, 4, 8] }`.
 */
export class LoritoError extends Error {
  readonly code: ErrorCode;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor({ code, ...fields }: Problem) {
    super(`${code} ${JSON.stringify(fields)}`);
    this.name = "LoritoError";
    this.code = code;
    this.fields = fields;
  }

  /** Converts any thrown value to a LoritoError. */
  static from(thrown: unknown): LoritoError {
    return thrown instanceof LoritoError ? thrown : new LoritoError(problemOf(thrown));
  }
}

/** The name of the setting that the crate rejects. */
export function settingOf(problem: Problem | undefined): string | undefined {
  return problem && "setting" in problem ? problem.setting : undefined;
}

/** Converts any thrown value to a `Problem`, which can be sent from the worker. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof LoritoError) return { ...thrown.fields, code: thrown.code } as Problem; // as it was made
  if (isProblem(thrown)) return thrown;
  if (thrown instanceof DOMException && thrown.name === "QuotaExceededError") return { code: "storage-full" };
  return { code: "internal", reason: String(thrown) };
}

/** Runs `read` on the file `name`. Rejects with "file-unreadable" if the browser cannot read the file. */
export async function readingFile<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (thrown) {
    // The file was changed or deleted after it was chosen, or its disk was removed.
    const gone = thrown instanceof DOMException && ["NotReadableError", "NotFoundError"].includes(thrown.name);
    throw gone ? ({ code: "file-unreadable", name } satisfies Problem) : thrown;
  }
}

function isProblem(thrown: unknown): thrown is Problem {
  // A DOMException has a `code` too, a number.
  return typeof thrown === "object" && thrown !== null && "code" in thrown && typeof thrown.code === "string";
}

/** Returns `none` if the browser has no storage; rethrows other errors. */
export function orNone<T>(none: T): (thrown: unknown) => T {
  return (thrown) => {
    if (problemOf(thrown).code === "storage-unavailable") return none;
    throw thrown;
  };
}

/** Marks a promise's rejection as handled: the error is reported in another way. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
