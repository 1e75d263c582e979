// Fetching a model from an address that somebody shared. Nothing is believed: neither that the host allows it, nor what
// it says of the file's length, nor what the file says of itself. Runs in the worker.
import type { Problem } from "./errors";

/** What the file's first bytes promise: throws if it is no model that fits, else gives the length it must have. */
export type HeaderCheck = (start: Uint8Array, totalBytes: number | undefined) => Promise<number>;

/** A safetensors file opens with the length of its header, 8 bytes, and the header. The crate reads none that is longer. */
const longestHeader = 2 ** 24;
/** The largest file that one buffer can take. */
const longestFile = 2 ** 31;
/** Chunks are put together into a Blob, which the browser may keep on disk, when they come to this. */
const handful = 2 ** 24;

/** How much of a file's start has to be there before `HeaderCheck` can judge. */
export function startLength(first: Uint8Array, total = Number.POSITIVE_INFINITY): number {
  if (first.length < 8) return Math.min(8, total);
  const header = Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true));
  return Math.min(8 + Math.min(header, longestHeader), total);
}

/** The start of a file at hand. */
export async function startOf(file: Blob): Promise<Uint8Array> {
  const first = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  return new Uint8Array(await file.slice(0, startLength(first, file.size)).arrayBuffer());
}

export async function download(
  url: string,
  check: HeaderCheck,
  progress: (loaded: number, total: number) => void,
): Promise<Blob> {
  const abort = new AbortController();
  try {
    const response = await ask(url, abort.signal);
    const said = Number(response.headers.get("content-length") ?? Number.NaN);
    // A packed body is longer than its content-length says, and a host may hide that it packs.
    const packed = response.headers.has("content-encoding");
    const total = Number.isFinite(said) && !packed ? said : undefined;
    if (total !== undefined && total > longestFile) throw tooLarge(url, total);
    return await receive(failure(url), response, total, check, progress);
  } finally {
    abort.abort(); // ends the transfer of what was refused
  }
}

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  const options: RequestInit = { credentials: "omit", referrerPolicy: "no-referrer", signal };
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch {
    // The browser does not tell a host that is not there from one that does not let other pages read. The second one
    // answers a request that does not ask to read.
    const answered = await fetch(url, { ...options, mode: "no-cors" }).then(
      () => true,
      () => false,
    );
    const problem: Problem = answered ? { code: "download-blocked", url } : failure(url);
    throw problem;
  }
  if (!response.ok) throw { code: "download-failed", url, status: response.status } satisfies Problem;
  return response;
}

/** A body as a file; rejects with `broken` if it breaks off. */
export async function receive(
  broken: Problem,
  { body }: Response,
  total: number | undefined,
  check: HeaderCheck,
  progress: (loaded: number, total: number) => void,
): Promise<Blob> {
  const inflow = new Inflow(broken, body);
  await inflow.until(8);
  const first = await inflow.start(8);
  const start = await inflow.until(startLength(first, first.length < 8 ? first.length : total));
  const expected = await check(await inflow.start(start), total ?? (inflow.ended ? inflow.loaded : undefined));
  if (expected > longestFile) throw tooLarge(String(broken.url ?? ""), expected);
  progress(inflow.loaded, expected);
  await inflow.until(expected, (loaded) => progress(loaded, expected));
  await inflow.until(expected + 1); // waits for the end, or sees that there is more than there should be
  if (inflow.loaded !== expected) throw { code: "file-truncated", found: inflow.loaded, expected } satisfies Problem;
  return inflow.blob();
}

/** A body as it comes in. */
class Inflow {
  loaded = 0;
  ended = false;
  readonly #broken: Problem;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  readonly #parts: Blob[] = [];
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #loose = 0;

  constructor(broken: Problem, body: ReadableStream<Uint8Array<ArrayBuffer>> | null) {
    this.#broken = broken;
    this.#reader = body?.getReader();
  }

  /** Reads until so many bytes are here, or the body ends; returns `bytes`. */
  async until(bytes: number, progress: (loaded: number) => void = () => {}): Promise<number> {
    while (this.loaded < bytes && !this.ended) {
      const chunk = await this.#reader?.read().catch(() => {
        throw this.#broken;
      });
      this.ended = chunk?.value === undefined;
      if (!chunk?.value) break;
      this.#chunks.push(chunk.value);
      this.#loose += chunk.value.length;
      this.loaded += chunk.value.length;
      if (this.#loose >= handful) this.#gather();
      progress(this.loaded);
    }
    return bytes;
  }

  /** The first bytes of what is here. */
  async start(bytes: number): Promise<Uint8Array> {
    return new Uint8Array(await this.blob().slice(0, bytes).arrayBuffer());
  }

  blob(): Blob {
    this.#gather();
    return new Blob(this.#parts);
  }

  #gather(): void {
    this.#parts.push(new Blob(this.#chunks));
    this.#chunks = [];
    this.#loose = 0;
  }
}

function failure(url: string): Problem {
  return { code: "download-failed", url, status: 0 };
}

function tooLarge(url: string, bytes: number): Problem {
  return { code: "file-too-large", name: url, bytes, limit: longestFile };
}
