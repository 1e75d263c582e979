// Everything that can go wrong, by its code, and the one error class of the page. What arises in the crate is typed by the crate.
import type { CrateError, Notice } from "lorito-wasm";
import type { Engine, EngineReason } from "./engines";

/** The fields of what goes wrong in TypeScript, or that a person should know of, by its code. */
interface PageProblems {
  /** Something that must not happen while a model trains was asked for. */
  busy: object;
  /** The page is open in another tab, too, which would get files of two versions. */
  "open-elsewhere": object;
  /** Another tab of this page trains and saves. */
  "run-in-another-tab": object;
  /** The address is none, or neither http nor https. */
  "address-invalid": { url: string };
  /** `status` is the host's answer, 0 where none came. */
  "download-failed": { url: string; status: number; host?: string };
  /**
   * The host answers, but does not allow other pages to read its files (CORS). With `kind` "or-gone" it may not be there:
   * an isolated page (COOP and COEP) cannot tell.
   */
  "download-blocked": { url: string; host: string };
  /** What is at the address is a web page and no model. */
  "download-is-page": { url: string; host: string };
  /** The host has sent nothing for so many `seconds`. */
  "download-silent": { url: string; host: string; seconds: number };
  /** This browser has no storage for pages, or refuses it (private window, no https). */
  "storage-unavailable": { reason: string };
  /** The ZIP archive cannot be read, or lies; `reason` says how. */
  "archive-damaged": { reason: string };
  /** A file in the ZIP archive, `name`, is locked with a password. */
  "archive-encrypted": { name: string };
  /** The archive `name` holds nothing that can be read as text; `found` are some of its files. */
  "archive-without-text": { name: string; found: readonly string[] };
  /** `count` files of the archive `name` were passed over; `found` are some of them. */
  "left-in-archive": { name: string; count: number; found: readonly string[] };
  /** `count` files of the folder `name` are neither texts nor a model's, and were passed over. */
  "left-in-folder": { name: string; count: number; found: readonly string[] };
  /** What is dropped at once, or an archive, has `count` texts; `limit` can be added. */
  "too-many-texts": { count: number; limit: number };
  /** What is dropped has no files in it. */
  "no-files": object;
  /** What is dropped has more than `limit` files. */
  "too-many-files": { limit: number };
  /** The archive `name` holds a model, and was to be read as text. */
  "model-not-text": { name: string };
  /** The browser does not give what is in the file `name`: it was moved, or may not be read. */
  "file-unreadable": { name: string };
  /** Of several files of weights, `found`, nothing tells which ones make the model. */
  "weights-unclear": { found: readonly string[] };
  /** The model was opened from the weights `used`; others, `names`, lay beside them. */
  "weights-passed-over": { used: readonly string[]; names: readonly string[] };
  /** The folders `names` hold models, too, beside the one of `name`, which is open. */
  "models-passed-over": { name: string; names: readonly string[] };
  /** The model is open without the adapter that `name` describes. */
  "adapter-left-out": { name: string };
  /** The model is open without these tokens of its tokenizer, which it has no weights for. */
  "tokens-left-out": { tokens: readonly string[] };
  /** The page with a model in it is damaged or cut off. */
  "one-page-damaged": object;
  /** What such a page is made of did not come; `status` is the host's answer, 0 where none came. */
  "one-page-missing": { status: number };
  /** Browsers do not open pages with a model of so many `bytes`. */
  "one-page-too-large": { bytes: number; limit: number };
  /** The disk, or the part of it that the browser grants, is full. */
  "storage-full": object;
  /** The browser's storage refuses for another `reason`. */
  "storage-failed": { reason: string };
  /** What the browser kept was cleared during a run, which is saved again, at `step`. */
  "storage-cleared": { step: number };
  /** A run goes on without being saved. */
  "not-saved": { reason?: string };
  /** No saved model has this `name`. */
  "no-such-model": { name: string };
  /** The file is no downloaded run. */
  "not-a-run": object;
  /** The sample `name` did not come; `status` is the host's answer, 0 where none came. */
  "sample-missing": { name: string; status: number };
  /** The system would not share the file `name`. */
  "share-failed": { name: string };
  /** The person ended a transfer. */
  cancelled: object;
  /** `name` is no name of a repository, nor the address of one. */
  "hub-name-invalid": { name: string };
  /** The hub `host` does not answer: it is not there, or this machine is offline. */
  "hub-unreachable": { host: string; reason: string; name?: string };
  "hub-not-found": OfHub;
  "hub-revision-not-found": OfHub & { revision: string };
  /** The repository is private, or asks for consent to something first. */
  "hub-forbidden": OfHub;
  /** The hub answers with `status`, or with something that makes no sense. */
  "hub-failed": OfHub & { status: number };
  /** The connection broke off, again and again. */
  "hub-interrupted": OfHub & { loaded: number; bytes: number };
  /** A file has another length or hash than the hub says. */
  "hub-file-damaged": OfHub;
  /** There are weights, but not as .safetensors: `found` names them. */
  "hub-no-safetensors": OfHub & { found: readonly string[] };
  "hub-no-model": OfHub;
  /** The repository lacks `file`, which the index of its weights names. */
  "hub-file-missing": OfHub & { file: string };
  "hub-too-large": { name: string; bytes: number; limit: number };
  "hub-no-parquet": OfHub;
  /** It came, but could not be kept in the browser's storage; `kind` is the code of why. */
  "hub-not-kept": object;
  /** What was given for a token is none. */
  "hub-token-invalid": object;
  /** A link chose the hub `host`: nothing is sent there. */
  "hub-linked": { host: string };
  /** The hub `host` is asked without encryption: a token could be read on its way. */
  "hub-token-exposed": { host: string };
  /** This page is inside a frame of another one: it takes no token. */
  "hub-token-framed": { host: string };
  /** The hub does not know the token. */
  "hub-token-refused": OfHub;
  /** The token does not allow to write there. */
  "hub-not-yours": OfHub;
  /** The model was to be private, and the repository that is there already is not. */
  "hub-is-public": OfHub;
  /** The Parquet file `name` cannot be read; `reason` says how. */
  "parquet-damaged": { name: string; reason: string };
  /** None of the Parquet file's `columns` holds text. */
  "parquet-no-text": { name: string; columns: readonly string[] };
  /** The GPU has no memory left; `reason` is the browser's. */
  "gpu-out-of-memory": { reason: string };
  /** What was asked for was not done, as the person chose another engine meanwhile. */
  "engine-changed": object;
  /** The engine is not there yet. */
  "engine-starting": object;
  /** The engine runs again, this one; a run is back at `step`. */
  recovered: { engine: Engine; reason: EngineReason; step?: number };
  /** The engine runs again, and not all of what was there could be brought back; `reason` is the code of why. */
  "state-lost": { reason: string };
  /** Training ended while the person looked elsewhere; `words` say how. */
  "ended-unseen": { words: string };
  /**
   * The GPU computed something else than the CPU: on a run's first batch the losses differ by `lossDifference` and the
   * gradients by `gradientDifference`, where `tolerance` is allowed, each a share of the CPU's. With `kind` "forced" the
   * address asks for the GPU, and the CPU does not take over.
   */
  "self-check-failed": { lossDifference: number; gradientDifference: number; tolerance: number };
  /** A script gave a value of another JavaScript `type` where a string is expected. */
  "not-a-string": { type: string };
  /** A part of the page that comes when it is needed did not come. */
  "part-missing": object;
}

/** What was asked of the hub `host`, and what it answered. */
interface OfHub {
  name: string;
  host: string;
  status?: number;
}

type PageProblem = { [Code in keyof PageProblems]: { code: Code } & PageProblems[Code] }[keyof PageProblems];

/**
 * What went wrong, or should be known, as it crosses from the worker: an instance of an error would lose its class and its
 * fields on the way. `kind` chooses among the sentences for a code.
 */
export type Problem = (CrateError | Notice | PageProblem) & { readonly kind?: string | null | undefined };

export type ErrorCode = Problem["code"];

/** The code of what a GPU, or its driver, will reject the next time as well: such a run ends. */
export const rejected = "gpu-command-rejected" satisfies ErrorCode;

/**
 * What every method of {@link Lorito} rejects with. `code` is stable; `fields` hold the offending value and what would
 * be right, for example `{ heads: 3, width: 8, allowed: [1, 2, 4, 8] }`.
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

  /** Whatever was thrown, as a LoritoError. */
  static from(thrown: unknown): LoritoError {
    return thrown instanceof LoritoError ? thrown : new LoritoError(problemOf(thrown));
  }
}

/** The setting that the crate refuses, by its field. */
export function settingOf(problem: Problem | undefined): string | undefined {
  return problem && "setting" in problem ? problem.setting : undefined;
}

/** Whatever was thrown, in the shape that crosses from the worker. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof LoritoError) return { ...thrown.fields, code: thrown.code } as Problem; // as it was made
  if (isProblem(thrown)) return thrown;
  if (thrown instanceof DOMException && thrown.name === "QuotaExceededError") return { code: "storage-full" };
  return { code: "internal", reason: String(thrown) };
}

/** Does what reads the file `name`. Rejects with "file-unreadable" once the browser does not give what is in it. */
export async function readingFile<T>(name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (thrown) {
    // The file was changed or deleted since it was chosen, or it is on a disk that is gone.
    const gone = thrown instanceof DOMException && ["NotReadableError", "NotFoundError"].includes(thrown.name);
    throw gone ? ({ code: "file-unreadable", name } satisfies Problem) : thrown;
  }
}

function isProblem(thrown: unknown): thrown is Problem {
  // A DOMException has a `code` too, a number.
  return typeof thrown === "object" && thrown !== null && "code" in thrown && typeof thrown.code === "string";
}

/** Where the browser keeps nothing, there is nothing. */
export function orNone<T>(none: T): (thrown: unknown) => T {
  return (thrown) => {
    if (problemOf(thrown).code === "storage-unavailable") return none;
    throw thrown;
  };
}

/** A promise that may reject before anybody listens, and whose error reaches the person another way. */
export function markHandled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
