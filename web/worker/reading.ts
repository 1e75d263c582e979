// Passes a file to the crate in pieces: unchanged, as the JSON lines of a table, or the text of a document.
import type { Session } from "lorito-wasm";
import { markHandled, type Problem } from "../shared/errors";
import { beginsAsPdf, type DocumentKind, documentKind } from "../shared/kinds";
import { part } from "../shared/part";
import type { LeftOut } from "./documents/document";
import type { Piece, Rows } from "./parquet";
import type { Guarded } from "./turns";
import type { Watch } from "./under-way";

/** Bytes of a file that are read and passed to the crate at once. */
const chunk = 2 ** 22;

/** The format of a file, and its pieces. */
interface Reading extends Rows {
  /** The files' size in bytes. */
  size: number;
  /** Bytes that the crate will get; 0 if unknown. */
  expected: number;
  /** What of a document is not in its text. */
  leftOut: LeftOut[];
}

/** Several files are parts of one. `signal` cancels it and the pieces ("cancelled"), even while a disk does not respond. */
export async function reading(
  session: Guarded<Session>,
  name: string,
  data: Blob | Blob[],
  wanted: string | undefined,
  { signal, progress }: Watch,
): Promise<Reading> {
  const file = data instanceof Blob ? data : new Blob(data);
  const { size } = file;
  const kind = await kindOf(name, file);
  if (kind !== undefined) {
    const { readDocument } = await part(import("./documents/read"));
    // A file and its text differ in size, so the text's way to the crate does not count.
    const read = (part: number) => progress(Math.round(part * size), size);
    const { data, leftOut } = await readDocument(name, kind, file, signal, read);
    const pieces = untilAborted(chunksOf(data, 1), signal);
    return { field: wanted, pieces, size, expected: data.size, leftOut };
  }
  if (!/\.parquet$/i.test(name))
    return { field: wanted, pieces: untilAborted(chunksOf(file), signal), size, expected: size, leftOut: [] };
  const { rowsOf } = await part(import("./parquet"));
  const lines = await session.use((open) => open.likelyFieldLines());
  const likely = (head: string) => session.use((open) => open.likelyField(head));
  const rows = await rowsOf(name, [data].flat(), wanted, { lines, likely });
  return { ...rows, pieces: untilAborted(rows.pieces, signal), size, expected: 0, leftOut: [] };
}

/** A PDF is known by its first bytes, too: its name may have lost its ending. */
async function kindOf(name: string, file: Blob): Promise<DocumentKind | undefined> {
  if (file.size === 0) return undefined; // the crate says so
  const start = new Uint8Array(await file.slice(0, 5).arrayBuffer());
  return documentKind(name) ?? (beginsAsPdf(start) ? "pdf" : undefined);
}

async function* untilAborted<T>(pieces: AsyncGenerator<T>, signal: AbortSignal): AsyncGenerator<T> {
  const cancelled: Problem = { code: "cancelled" };
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(cancelled));
  });
  while (true) {
    if (signal.aborted) throw cancelled;
    const { done, value } = await Promise.race([pieces.next(), markHandled(aborted)]);
    if (done) return;
    yield value;
  }
}

/** `done`: the fraction of the file that has been read already. */
async function* chunksOf(file: Blob, done = 0): AsyncGenerator<Piece> {
  for (let at = 0; at < file.size; at += chunk) {
    const bytes = new Uint8Array(await file.slice(at, at + chunk).arrayBuffer());
    yield { bytes, part: Math.max(done, Math.min(1, (at + chunk) / file.size)) };
  }
}
