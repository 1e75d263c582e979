// Passes a file to the crate in pieces, unchanged or as the JSON lines of a table.
import type { Session } from "lorito-wasm";
import { markHandled, type Problem } from "../shared/errors";
import { part } from "../shared/part";
import type { Piece, Rows } from "./parquet";
import type { Guarded } from "./turns";

/** Bytes of a file that are read and passed to the crate at once. */
const chunk = 2 ** 22;

/** The format of a file, and its pieces. */
interface Reading extends Rows {
  /** The files' size in bytes. */
  size: number;
  /** Bytes that the crate will get; 0 if unknown. */
  expected: number;
}

/** Several files are parts of one. `signal` cancels the pieces ("cancelled"), even while a disk does not respond. */
export async function reading(
  session: Guarded<Session>,
  name: string,
  data: Blob | Blob[],
  wanted: string | undefined,
  signal: AbortSignal,
): Promise<Reading> {
  const file = data instanceof Blob ? data : new Blob(data);
  const { size } = file;
  if (!/\.parquet$/i.test(name))
    return { field: wanted, pieces: untilAborted(chunksOf(file), signal), size, expected: size };
  const { rowsOf } = await part(import("./parquet"));
  const lines = await session.use((open) => open.likelyFieldLines());
  const likely = (head: string) => session.use((open) => open.likelyField(head));
  const rows = await rowsOf(name, [data].flat(), wanted, { lines, likely });
  return { ...rows, pieces: untilAborted(rows.pieces, signal), size, expected: 0 };
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

async function* chunksOf(file: Blob): AsyncGenerator<Piece> {
  for (let at = 0; at < file.size; at += chunk) {
    const bytes = new Uint8Array(await file.slice(at, at + chunk).arrayBuffer());
    yield { bytes, part: Math.min(1, (at + chunk) / file.size) };
  }
}
