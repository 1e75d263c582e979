// Transfers the files of one commit from the hub or its cache: reports progress, resumes interrupted transfers, and
// verifies the hub's hashes.
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { type Problem, problemOf } from "../../shared/errors";
import { hostOf } from "../../shared/hub/place";
import type { HubFile, HubPlace } from "../../shared/hub/types";
import type { HubTransfer, NamedFile } from "../../shared/protocol";
import { unlessSilent } from "../silence";
import type { Watch } from "../under-way";
import { addressOf, anonymous, refused } from "./ask";
import { Shelf } from "./cache";
import { Sink } from "./sink";

/** How often to retry an interrupted transfer without a new byte in between. */
const mostBreaks = 4;
/** Milliseconds before the first retry; doubled for each further one. */
const firstWait = 500;
/** Bytes of a file that are hashed at once. */
const chunk = 2 ** 22;

export async function transfer(
  place: HubPlace,
  commit: string,
  wanted: readonly HubFile[],
  { signal, progress, arrived }: Watch,
): Promise<HubTransfer> {
  const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
  const files: NamedFile[] = [];
  let unkept: Problem | undefined;
  const shelf = await shelfFor(place, commit, wanted, total).catch((thrown) => {
    unkept = notKept(thrown);
    return undefined;
  });
  let before = 0;
  for (const file of wanted) {
    const here = await shelf?.whole(file);
    if (here) {
      files.push({ name: file.path, data: here });
    } else {
      const sink = await sinkFor(shelf, file, unkept);
      const url = addressOf(place, commit, file.path);
      const report = (loaded: number) => progress(before + loaded, total);
      await receive({ place, url, file, sink, signal, progress: report }).catch(async (thrown) => {
        await sink.close();
        throw thrown;
      });
      const data = await sink.close();
      if (!(await isRight(data, file, signal))) {
        await shelf?.drop(file);
        throw { code: "hub-file-damaged", name: file.path, host: hostOf(place) } satisfies Problem;
      }
      if (sink.unkept !== undefined) unkept ??= notKept(sink.unkept);
      else
        await shelf?.finished(file).catch((thrown) => {
          unkept = notKept(thrown);
        });
      files.push({ name: file.path, data });
    }
    before += file.bytes;
    progress(before, total);
    const whole = files.at(-1);
    if (whole) await arrived?.(whole);
  }
  return { files, unkept };
}

/** A small file that is inspected before the others are fetched. It is not stored. */
export async function smallFile(place: HubPlace, commit: string, file: HubFile, signal: AbortSignal): Promise<Blob> {
  const sink = Sink.inMemory(undefined);
  const url = addressOf(place, commit, file.path);
  await receive({ place, url, file, sink, signal, progress: () => {} });
  const data = await sink.close();
  if (await isRight(data, file, signal)) return data;
  throw { code: "hub-file-damaged", name: file.path, host: hostOf(place) } satisfies Problem;
}

/** The folder for the files. Throws if there is no space for them. */
async function shelfFor(place: HubPlace, commit: string, wanted: readonly HubFile[], total: number): Promise<Shelf> {
  const shelf = await Shelf.at(place);
  await shelf.expect(place, commit, wanted);
  const { usage = 0, quota = Number.POSITIVE_INFINITY } = await navigator.storage.estimate();
  const sizes = await Promise.all(wanted.map(async (file) => (await (await shelf.entry(file)).getFile()).size));
  const missing = total - sizes.reduce((sum, size) => sum + size, 0);
  if (usage + missing > quota) throw { code: "storage-full" } satisfies Problem;
  return shelf;
}

async function sinkFor(shelf: Shelf | undefined, file: HubFile, why: Problem | undefined): Promise<Sink> {
  if (!shelf || why) return Sink.inMemory(why);
  try {
    const sink = await Sink.into(await shelf.entry(file));
    if (sink.size > file.bytes) sink.empty();
    return sink;
  } catch (thrown) {
    return Sink.inMemory(thrown); // another tab is writing it
  }
}

/** A file being transferred. */
interface Incoming {
  place: HubPlace;
  url: string;
  file: HubFile;
  sink: Sink;
  signal: AbortSignal;
  progress(loaded: number): void;
}

/** Fills the sink. An interrupted transfer is resumed, a limited number of times. */
async function receive(incoming: Incoming): Promise<void> {
  const { place, file, sink, signal, progress } = incoming;
  progress(sink.size);
  for (let breaks = 0; sink.size < file.bytes; ) {
    const before = sink.size;
    try {
      await pull(incoming);
      if (sink.size > file.bytes) break;
    } catch (thrown) {
      if (signal.aborted) throw { code: "cancelled" } satisfies Problem;
      if (!(thrown instanceof Broken)) throw thrown;
    }
    breaks = sink.size > before ? 0 : breaks + 1;
    if (sink.size >= file.bytes) return;
    if (breaks >= mostBreaks) {
      const about = { host: hostOf(place), loaded: sink.size, bytes: file.bytes };
      throw { code: "hub-interrupted", name: file.path, ...about } satisfies Problem;
    }
    await pause(firstWait * 2 ** breaks, signal);
  }
}

/** The connection was interrupted, or the host requests a pause: worth a retry. */
class Broken extends Error {}

/** One request, for the bytes that the sink lacks. */
async function pull(incoming: Incoming): Promise<void> {
  const request = new AbortController();
  const end = () => request.abort();
  incoming.signal.addEventListener("abort", end);
  try {
    await read(incoming, request.signal);
  } finally {
    incoming.signal.removeEventListener("abort", end);
    request.abort(); // ends an obsolete transfer
  }
}

async function read({ place, url, file, sink, progress }: Incoming, signal: AbortSignal): Promise<void> {
  const from = sink.size;
  const headers: HeadersInit = from > 0 ? { range: `bytes=${from}-` } : {};
  const response = await coming(fetch(url, { ...anonymous, headers, signal }));
  if (response.status === 429 || response.status >= 500) throw new Broken(String(response.status));
  if (!response.ok && response.status !== 416) throw refused(place, response);
  if (from > 0 && !continues(response, from, file.bytes)) {
    sink.empty();
    if (response.status !== 200) throw new Broken("another range than asked for");
  }
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = reader && (await coming(reader.read()));
    if (!chunk || chunk.done || sink.size > file.bytes) return;
    sink.write(chunk.value);
    progress(sink.size);
  }
}

/** Awaits the host's data; an interruption or missing response is worth a retry. */
function coming<T>(work: Promise<T>): Promise<T> {
  return unlessSilent(work, () => "silence").catch((thrown) => {
    throw new Broken(String(thrown));
  });
}

/** Whether a response begins where the sink ends. A host may hide the content-range header from other pages. */
function continues({ status, headers }: Response, from: number, bytes: number): boolean {
  if (status !== 206) return false;
  const range = headers.get("content-range");
  return range === null || range === `bytes ${from}-${bytes - 1}/${bytes}`;
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const wait = setTimeout(resolve, milliseconds);
    const end = () => {
      clearTimeout(wait);
      reject({ code: "cancelled" } satisfies Problem);
    };
    signal.addEventListener("abort", end, { once: true });
  });
}

/** Whether a file has the hub's length and hash: SHA-256 for a large file, git's SHA-1 for any other. */
async function isRight(data: Blob, { bytes, hash }: HubFile, signal: AbortSignal): Promise<boolean> {
  if (data.size !== bytes) return false;
  const large = hash.length === 64;
  const hasher = large ? sha256.create() : sha1.create();
  if (!large) hasher.update(new TextEncoder().encode(`blob ${bytes}\0`));
  for (let at = 0; at < bytes; at += chunk) {
    if (signal.aborted) throw { code: "cancelled" } satisfies Problem;
    hasher.update(new Uint8Array(await data.slice(at, at + chunk).arrayBuffer()));
  }
  return bytesToHex(hasher.digest()) === hash;
}

function notKept(thrown: unknown): Problem {
  const { code } = problemOf(thrown);
  return { code: "hub-not-kept", kind: code };
}
