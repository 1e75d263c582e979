// The one error class of the page and the shape in which an error crosses from the worker.

/** Codes that arise in TypeScript. The others come from the crate: src/error.rs lists them. */
export type PageErrorCode =
  /** Something that must not happen while a model trains was asked for. */
  | "busy"
  /** The page is open in another tab, too, which would get files of two versions. */
  | "open-elsewhere"
  /** Another tab of this page trains and saves. */
  | "run-in-another-tab"
  /** The address is none, or neither http nor https. */
  | "address-invalid"
  /** `status` is the host's answer, 0 where none came. */
  | "download-failed"
  /**
   * The host answers, but does not allow other pages to read its files (CORS). With `kind` "or-gone" it may not be there:
   * an isolated page (COOP and COEP) cannot tell.
   */
  | "download-blocked"
  /** What is at the address is a web page and no model. */
  | "download-is-page"
  /** The host has sent nothing for so many `seconds`. */
  | "download-silent"
  /** This browser has no storage for pages, or refuses it (private window, no https). */
  | "storage-unavailable"
  /** The ZIP archive cannot be read, or lies; `reason` says how. */
  | "archive-damaged"
  /** A file in the ZIP archive, `name`, is locked with a password. */
  | "archive-encrypted"
  /** The archive `name` holds nothing that can be read as text; `found` are some of its files. */
  | "archive-without-text"
  /** `count` files of the archive `name` were passed over; `found` are some of them. */
  | "left-in-archive"
  /** `count` files of the folder `name` are neither texts nor a model's, and were passed over. */
  | "left-in-folder"
  /** What is dropped at once, or an archive, has `count` texts; `limit` can be added. */
  | "too-many-texts"
  /** What is dropped has no files in it. */
  | "no-files"
  /** What is dropped has more than `limit` files. */
  | "too-many-files"
  /** The archive `name` holds a model, and was to be read as text. */
  | "model-not-text"
  /** The browser does not give what is in the file `name`: it was moved, or may not be read. */
  | "file-unreadable"
  /** Of several files of weights, `found`, nothing tells which ones make the model. */
  | "weights-unclear"
  /** The model was opened from the weights `used`; others, `names`, lay beside them. */
  | "weights-passed-over"
  /** The folders `names` hold models, too, beside the one of `name`, which is open. */
  | "models-passed-over"
  /** The model is open without the adapter that `name` describes. */
  | "adapter-left-out"
  /** The page with a model in it is damaged or cut off. */
  | "one-page-damaged"
  /** What such a page is made of did not come; `status` is the host's answer, 0 where none came. */
  | "one-page-missing"
  /** Browsers do not open pages with a model of so many `bytes`. */
  | "one-page-too-large"
  /** The disk, or the part of it that the browser grants, is full. */
  | "storage-full"
  /** The browser's storage refuses for another `reason`. */
  | "storage-failed"
  /** No saved model has this `name`. */
  | "no-such-model"
  /** The file is no downloaded run. */
  | "not-a-run"
  /** The system would not share the file `name`. */
  | "share-failed"
  /** The person ended a transfer. */
  | "cancelled"
  /** `name` is no name of a repository, nor the address of one. */
  | "hub-name-invalid"
  /** The hub `host` does not answer: it is not there, or this machine is offline. */
  | "hub-unreachable"
  | "hub-not-found"
  | "hub-revision-not-found"
  /** The repository is private, or asks for consent to something first. */
  | "hub-forbidden"
  /** The hub answers with `status`, or with something that makes no sense. */
  | "hub-failed"
  /** The connection broke off, again and again. */
  | "hub-interrupted"
  /** A file has another length or hash than the hub says. */
  | "hub-file-damaged"
  /** There are weights, but not as .safetensors: `found` names them. */
  | "hub-no-safetensors"
  | "hub-no-model"
  /** The repository lacks `file`, which the index of its weights names. */
  | "hub-file-missing"
  | "hub-too-large"
  | "hub-no-parquet"
  /** It came, but could not be kept in the browser's storage; `kind` is the code of why. */
  | "hub-not-kept"
  /** What was given for a token is none. */
  | "hub-token-invalid"
  /** A link chose the hub `host`: nothing is sent there. */
  | "hub-linked"
  /** The hub `host` is asked without encryption: a token could be read on its way. */
  | "hub-token-exposed"
  /** This page is inside a frame of another one: it takes no token. */
  | "hub-token-framed"
  /** The hub does not know the token. */
  | "hub-token-refused"
  /** The token does not allow to write there. */
  | "hub-not-yours"
  /** The model was to be private, and the repository that is there already is not. */
  | "hub-is-public"
  /** The Parquet file `name` cannot be read; `reason` says how. */
  | "parquet-damaged"
  /** None of the Parquet file's `columns` holds text. */
  | "parquet-no-text"
  /** WebGPU was asked for and cannot start; `reason` says why. */
  | "web-gpu-unavailable"
  /** The GPU stopped answering. What the worker held is brought back; what was asked of it meanwhile is not done. */
  | "device-lost"
  /** The GPU has no memory left; `reason` is the browser's. */
  | "gpu-out-of-memory"
  /** The GPU rejected a command or a shader, or cannot run a kernel; `reason` is the browser's, or CubeCL's. */
  | "gpu-command-rejected"
  /** What was asked for was not done, as the person chose another engine meanwhile. */
  | "engine-changed"
  /**
   * The GPU computed something else than the CPU: on a run's first batch the losses differ by `lossDifference` and the
   * gradients by `gradientDifference`, where `tolerance` is allowed, each a share of the CPU's. With `kind` "forced" the
   * address asks for the GPU, and the CPU does not take over.
   */
  | "self-check-failed"
  /** A part of the page that comes when it is needed did not come. */
  | "part-missing"
  /** A fault of Lorito's own. */
  | "internal";

/** The code of what a GPU, or its driver, will reject the next time as well: such a run ends. */
export const rejected = "gpu-command-rejected" satisfies PageErrorCode;

/** An error as it crosses from the worker: an instance would lose its class and its fields on the way. */
export interface Problem {
  readonly code: string;
  readonly [field: string]: unknown;
}

/**
 * What every method of {@link Lorito} rejects with. `code` is stable; `fields` hold the offending value and what would
 * be right, for example `{ heads: 3, width: 8, allowed: [1, 2, 4, 8] }`.
 */
export class LoritoError extends Error {
  readonly code: string;
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

/** Whatever was thrown, in the shape that crosses from the worker. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof LoritoError) return { ...thrown.fields, code: thrown.code };
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
export function heeded<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
