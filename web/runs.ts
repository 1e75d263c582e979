// The run in training, as it is kept: two alternating slots for checkpoints and one file for the run's tokens, in the
// browser's storage; or all of it in one file, for a download. Runs in the worker.
//
// A slot is a header of fixed size (JSON, then spaces) and the crate's checkpoint, which has a hash of its own inside.
// The header is written last, so a slot that was cut off does not count, and the other one still does.
import type { Problem } from "./errors";
import type { RunSummary } from "./protocol";
import { folder, readFile, writeFile } from "./storage";

/** What tells a checkpoint from others. */
export interface RunLabel extends RunSummary {
  /** Names the run: the same for all checkpoints of one model. */
  run: string;
  /** The file of its tokens. */
  corpus: string;
}

interface RunHeader extends RunLabel {
  format: "lorito-run";
  version: 1;
  /** Grows with every checkpoint; clocks may go back. */
  sequence: number;
  checkpointBytes: number;
}

/** A run that may be opened. */
export interface StoredRun {
  header: RunHeader;
  checkpoint: Blob;
  corpus: Blob;
}

const headSize = 4096;
const slots = ["slot-0", "slot-1"] as const;

/** Consecutive checkpoints alternate, so the newest is never written over. */
function slotOf(sequence: number): (typeof slots)[number] {
  return sequence % 2 === 0 ? slots[0] : slots[1];
}

/** The run in the browser's storage. */
export class RunStorage {
  readonly #where: FileSystemDirectoryHandle;

  private constructor(where: FileSystemDirectoryHandle) {
    this.#where = where;
  }

  static async open(): Promise<RunStorage> {
    return new RunStorage(await folder("run"));
  }

  /** The stored checkpoints, newest first. */
  async list(): Promise<StoredRun[]> {
    const found = await Promise.all(slots.map((slot) => this.#read(slot)));
    return found.filter((run) => run !== undefined).sort((one, other) => other.header.sequence - one.header.sequence);
  }

  async #read(slot: string): Promise<StoredRun | undefined> {
    const file = await readFile(this.#where, slot);
    const header = file && (await readHeader(file));
    const corpus = header && (await readFile(this.#where, header.corpus));
    if (!corpus || file.size !== headSize + header.checkpointBytes) return undefined;
    return { header, checkpoint: file.slice(headSize), corpus };
  }

  /** Writes over the older slot. `corpus`: the tokens, where those on the disk are not this run's. */
  async save(label: RunLabel, checkpoint: Uint8Array, corpus?: Uint8Array): Promise<void> {
    const newest = (await this.list())[0];
    if (corpus) await writeFile(this.#where, label.corpus, corpus);
    const sequence = (newest?.header.sequence ?? 0) + 1;
    await writeFile(this.#where, slotOf(sequence), checkpoint, encodeHeader(label, sequence, checkpoint.length));
    await this.#tidy(label.run);
  }

  /** Removes what belongs to no run or to another: falling back to that would surprise. */
  async #tidy(run: string): Promise<void> {
    const used = new Set<string>();
    for (const slot of slots) {
      const file = await readFile(this.#where, slot);
      const header = file && (await readHeader(file));
      if (header?.run !== run) continue;
      used.add(slot).add(header.corpus);
    }
    for await (const name of this.#where.keys()) if (!used.has(name)) await this.#where.removeEntry(name);
  }

  /** Forgets a checkpoint that turned out to be damaged, so that it is the one to be written over next. */
  async drop(damaged: StoredRun): Promise<void> {
    const name = slotOf(damaged.header.sequence);
    await this.#where.removeEntry(name);
  }

  async clear(): Promise<void> {
    for await (const name of this.#where.keys()) await this.#where.removeEntry(name);
  }
}

function encodeHeader(label: RunLabel, sequence: number, checkpointBytes: number): Uint8Array<ArrayBuffer> {
  const textName = [...label.textName].slice(0, 200).join("");
  const header: RunHeader = { ...label, textName, format: "lorito-run", version: 1, sequence, checkpointBytes };
  const head = new Uint8Array(headSize).fill(0x20);
  head.set(new TextEncoder().encode(JSON.stringify(header)));
  return head;
}

async function readHeader(file: Blob): Promise<RunHeader | undefined> {
  try {
    const header: RunHeader = JSON.parse(await file.slice(0, headSize).text());
    return header.format === "lorito-run" && header.version === 1 ? header : undefined;
  } catch {
    return undefined; // cut off while it was written, or another file
  }
}

/** The run as one file: header, checkpoint, tokens. Nothing is copied: a Blob points to its parts. */
export function packRun(label: RunLabel, checkpoint: Blob, corpus: Blob): Blob {
  return new Blob([encodeHeader(label, 0, checkpoint.size), checkpoint, corpus], { type: "application/octet-stream" });
}

export async function unpackRun(file: Blob): Promise<StoredRun> {
  const header = await readHeader(file);
  if (!header) throw { code: "not-a-run" } satisfies Problem;
  const end = headSize + header.checkpointBytes;
  return { header, checkpoint: file.slice(headSize, end), corpus: file.slice(end) };
}
