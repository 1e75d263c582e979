// A file on its way to the crate: piece by piece, as it is, or as the lines that are made of a table.
import type { Session } from "lorito-wasm";
import { markHandled, type Problem } from "../shared/errors";
import { part } from "../shared/part";
import type { Piece, Rows } from "./parquet";
import type { Guarded } from "./turns";

/** Bytes of a file that are read and handed to the crate at once. */
const chunk = 2 ** 22;

/** What the crate is to expect, and what it gets. */
interface Reading extends Rows {
  /** Bytes of the files as they are given. */
  size: number;
  /** Bytes that the crate gets; 0: nobody knows before. */
  expected: number;
}

/** Several files are the parts of one. `signal` ends the pieces ("cancelled"), even while a disk does not answer. */
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
