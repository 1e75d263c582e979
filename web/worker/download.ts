// Downloads a model from an address. Nothing is trusted: neither that the host allows it, nor its content-length, nor the
// file's own header.
import type { Problem } from "../shared/errors";
import { LONGEST_SILENCE, unlessSilent } from "./silence";
import type { Watch } from "./under-way";

/** Checks a file's first bytes: throws unless it is a model that fits in memory, else returns the length it must have. */
export type HeaderCheck = (start: Uint8Array, totalBytes: number | undefined) => Promise<number>;

/** A safetensors file begins with the length of its header, 8 bytes, and the header. The crate rejects longer headers. */
const longestHeader = 2 ** 24;
/** The largest file that fits in one buffer. */
const longestFile = 2 ** 31;
/** Chunks are combined to a Blob of this size, which the browser may keep on disk. */
const handful = 2 ** 24;

/** Bytes from a file's beginning that `HeaderCheck` needs. */
export function startLength(first: Uint8Array, total = Number.POSITIVE_INFINITY): number {
  if (first.length < 8) return Math.min(8, total);
  const header = Number(new DataView(first.buffer, first.byteOffset).getBigUint64(0, true));
  return Math.min(8 + Math.min(header, longestHeader), total);
}

/** The beginning of a local file. */
export async function startOf(file: Blob): Promise<Uint8Array> {
  const first = new Uint8Array(await file.slice(0, 8).arrayBuffer());
  return new Uint8Array(await file.slice(0, startLength(first, file.size)).arrayBuffer());
}

/** Downloads a model. Rejects when the host sends nothing for `limit` milliseconds. */
export async function download(
  url: string,
  check: HeaderCheck,
  { signal, progress }: Watch,
  limit = LONGEST_SILENCE,
): Promise<Blob> {
  const abort = new AbortController();
  const end = () => abort.abort();
  signal.addEventListener("abort", end);
  const within: Within = (work) => unlessSilent(work, () => silent(url, limit), limit);
  try {
    const response = await within(ask(url, abort.signal));
    const type = response.headers.get("content-type") ?? "";
    const checkModel: HeaderCheck = async (start, length) => {
      if (isWebPage(start, type)) throw { code: "download-is-page", url, host: hostOf(url) } satisfies Problem;
      return check(start, length);
    };
    const said = Number(response.headers.get("content-length") ?? Number.NaN);
    // A compressed body is longer than its content-length, and a host may hide the compression.
    const packed = response.headers.has("content-encoding");
    const total = Number.isFinite(said) && !packed ? said : undefined;
    if (total !== undefined && total > longestFile) throw tooLarge(url, total);
    return await receive(failure(url), response, total, checkModel, progress, within);
  } catch (thrown) {
    throw signal.aborted ? ({ code: "cancelled", kind: "address" } satisfies Problem) : thrown;
  } finally {
    signal.removeEventListener("abort", end);
    abort.abort(); // stops the transfer of a rejected file
  }
}

/** Awaits the host's data, with a time limit. */
type Within = <T>(work: Promise<T>) => Promise<T>;

/** Whether a response is a web page: by its first bytes, or by its content type unless the bytes are a model's. */
export function isWebPage(start: Uint8Array, type: string): boolean {
  const begins = new TextDecoder().decode(start.subarray(0, 512)).trimStart();
  if (/^<(!doctype html|html|head|body|title|meta|script|!--)/i.test(begins)) return true;
  const openingBrace = 0x7b; // first byte of the header, after its length
  return /^\s*(text\/html|application\/xhtml\+xml)/i.test(type) && start[8] !== openingBrace;
}

async function ask(url: string, signal: AbortSignal): Promise<Response> {
  const options: RequestInit = { credentials: "omit", referrerPolicy: "no-referrer", signal };
  let response: Response;
  try {
    response = await fetch(url, options);
  } catch {
    signal.throwIfAborted();
    // The browser does not distinguish a host that does not exist from one that forbids reading (CORS).
    const blocked: Problem = { code: "download-blocked", url, host: hostOf(url) };
    // An isolated page gets no response from either.
    if (globalThis.crossOriginIsolated) throw { ...blocked, kind: "or-gone" } satisfies Problem;
    // On any other page, a host that forbids reading responds to a no-cors request.
    const answered = await fetch(url, { ...options, mode: "no-cors" }).then(
      () => true,
      () => false,
    );
    throw answered ? blocked : failure(url);
  }
  if (!response.ok) throw { code: "download-failed", url, status: response.status } satisfies Problem;
  return response;
}

/** Reads a body as a file; rejects with `broken` if it is cut off. `within` limits the time for each chunk. */
export async function receive(
  broken: Problem,
  { body }: Response,
  total: number | undefined,
  check: HeaderCheck,
  progress: (loaded: number, total: number) => void,
  within: Within = (work) => work,
): Promise<Blob> {
  const inflow = new Inflow(broken, body, within);
  await inflow.until(8);
  const first = await inflow.start(8);
  const start = await inflow.until(startLength(first, first.length < 8 ? first.length : total));
  const expected = await check(await inflow.start(start), total ?? (inflow.ended ? inflow.loaded : undefined));
  if (expected > longestFile) throw tooLarge("url" in broken ? broken.url : "", expected);
  progress(inflow.loaded, expected);
  await inflow.until(expected, (loaded) => progress(loaded, expected));
  await inflow.until(expected + 1); // waits for the end, or detects surplus bytes
  if (inflow.loaded !== expected) throw { code: "file-truncated", found: inflow.loaded, expected } satisfies Problem;
  return inflow.blob();
}

/** Reads a body chunk by chunk. */
class Inflow {
  loaded = 0;
  ended = false;
  readonly #broken: Problem;
  readonly #within: Within;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | undefined;
  readonly #parts: Blob[] = [];
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #loose = 0;

  constructor(broken: Problem, body: ReadableStream<Uint8Array<ArrayBuffer>> | null, within: Within) {
    this.#broken = broken;
    this.#within = within;
    this.#reader = body?.getReader();
  }

  /** Reads until there are this many bytes, or until the body ends; returns `bytes`. */
  async until(bytes: number, progress: (loaded: number) => void = () => {}): Promise<number> {
    while (this.loaded < bytes && !this.ended) {
      const read = this.#reader?.read().catch(() => {
        throw this.#broken;
      });
      const chunk = read && (await this.#within(read));
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

  /** The first bytes read so far. */
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

/** The error for no response, or an incomplete one. */
function failure(url: string): Problem {
  return { code: "download-failed", url, host: hostOf(url), status: 0, kind: "no-answer" };
}

function silent(url: string, limit: number): Problem {
  return { code: "download-silent", url, host: hostOf(url), seconds: Math.round(limit / 1000) };
}

function hostOf(url: string): string {
  return new URL(url).host;
}

function tooLarge(url: string, bytes: number): Problem {
  return { code: "file-too-large", name: url, bytes, limit: longestFile };
}
