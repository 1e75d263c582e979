// The storage format of runs: each has a folder in the browser's storage, with two alternating slots for checkpoints and
// one file for the run's tokens; or all of it in one file, for a download.
//
// A slot is a header of fixed size (JSON, then spaces) and the crate's checkpoint, which contains its own hash.
// The header is written last, so an incompletely written slot is ignored, and the other one is still valid.
import type { Problem } from "../shared/errors";
import type { RunSummary } from "../shared/protocol";
import { folder, readFile, unlessGone, writeFile } from "./storage";

/** Identifies a checkpoint. `run` is the same for all checkpoints of one model. */
export interface RunLabel extends Omit<RunSummary, "bytes"> {
  /** The name of the file with its tokens. */
  corpus: string;
}

interface RunHeader extends RunLabel {
  format: "lorito-run";
  version: 1;
  /** Increases with every checkpoint of any run, as clocks may go back. */
  sequence: number;
  checkpointBytes: number;
  /** Absent in runs saved before there could be several. */
  corpusBytes?: number;
}

/** A run that can be opened. */
export interface StoredRun {
  header: RunHeader;
  checkpoint: Blob;
  corpus: Blob;
}

/** A checkpoint in the browser's storage. */
export interface StoredCheckpoint extends StoredRun {
  where: FileSystemDirectoryHandle;
  slot: string;
}

const headSize = 4096;
const slots = ["slot-0", "slot-1"];

/** The runs in the browser's storage. */
export class RunStorage {
  /** One folder per run, named by its id. */
  readonly #runs: FileSystemDirectoryHandle;
  /** The folder of former versions, which stored only one run, if it exists. */
  readonly #before: FileSystemDirectoryHandle | undefined;

  private constructor(runs: FileSystemDirectoryHandle, before: FileSystemDirectoryHandle | undefined) {
    this.#runs = runs;
    this.#before = before;
  }

  static async open(): Promise<RunStorage> {
    return new RunStorage(await folder("runs"), await folder("run", false));
  }

  /** The checkpoints of all runs, newest first. */
  async list(): Promise<StoredCheckpoint[]> {
    const places: [FileSystemDirectoryHandle, string?][] = this.#before ? [[this.#before]] : [];
    for await (const [run, handle] of this.#runs.entries())
      if (handle instanceof FileSystemDirectoryHandle) places.push([handle, run]);
    const read = ([where, run]: [FileSystemDirectoryHandle, string?]) =>
      slots.map((slot) => readSlot(where, slot, run).catch(() => undefined)); // an unreadable slot must not hide the others
    const found = await Promise.all(places.flatMap(read));
    return found.filter((run) => run !== undefined).sort((one, other) => other.header.sequence - one.header.sequence);
  }

  /**
   * Overwrites the run's older checkpoint, and verifies what was written. `corpusBytes`: the length of the run's tokens, if
   * they have been written; `tokens` returns them if they have not.
   */
  async save(
    label: RunLabel,
    checkpoint: Uint8Array,
    corpusBytes: number | undefined,
    tokens: () => Promise<Uint8Array>,
  ): Promise<{ corpusBytes: number /** Whether the run was there before. */; found: boolean }> {
    const all = await this.list();
    const found = all.some(({ header }) => header.run === label.run);
    const sequence = (all[0]?.header.sequence ?? 0) + 1;
    const where = await this.#runs.getDirectoryHandle(label.run, { create: true });
    const newest = all.find((stored) => stored.header.run === label.run && stored.where !== this.#before);
    const slot = slots.find((name) => name !== newest?.slot) ?? "slot-0";
    try {
      let length = corpusBytes;
      if (length === undefined || (await readFile(where, label.corpus))?.size !== length) {
        const bytes = await tokens();
        await writeFile(where, label.corpus, bytes);
        length = bytes.length;
      }
      await writeFile(where, slot, checkpoint, encodeHeader(label, sequence, checkpoint.length, length));
      const back = await readSlot(where, slot, label.run);
      if (back?.header.sequence !== sequence || back.header.corpus !== label.corpus)
        throw { code: "storage-failed", reason: "what was written is not there" } satisfies Problem;
      await this.#tidy(label.run, where).catch(() => {}); // leftovers do no harm until the next save
      return { corpusBytes: length, found };
    } catch (thrown) {
      // Without a checkpoint the tokens would only take scarce space.
      if (!newest) await this.#runs.removeEntry(label.run, { recursive: true }).catch(() => {});
      throw thrown;
    }
  }

  /** Deletes unused files: tokens of an earlier text, an older copy of this run, incomplete runs. */
  async #tidy(run: string, where: FileSystemDirectoryHandle): Promise<void> {
    await removeUnused(where);
    if (this.#before) await this.#removeBefore(run);
    for await (const [name, handle] of this.#runs.entries()) {
      if (name === run || !(handle instanceof FileSystemDirectoryHandle)) continue;
      if ((await headersIn(handle)).size === 0) await this.#runs.removeEntry(name, { recursive: true });
    }
  }

  async #removeBefore(run: string): Promise<void> {
    if (!this.#before) return;
    for (const [slot, header] of await headersIn(this.#before))
      if (header.run === run) await this.#before.removeEntry(slot);
    await removeUnused(this.#before);
  }

  /** Deletes a checkpoint that proved damaged, so that its slot is overwritten next. */
  async drop({ where, slot }: StoredCheckpoint): Promise<void> {
    await where.removeEntry(slot);
  }

  async discard(run: string): Promise<void> {
    await unlessGone(() => this.#runs.removeEntry(run, { recursive: true }));
    await this.#removeBefore(run);
  }
}

/** `run`: the folder's name, if it belongs to one run. */
async function readSlot(
  where: FileSystemDirectoryHandle,
  slot: string,
  run: string | undefined,
): Promise<StoredCheckpoint | undefined> {
  const file = await readFile(where, slot);
  const header = file && (await readHeader(file));
  const corpus = header && (await readFile(where, header.corpus));
  if (!corpus || file.size !== headSize + header.checkpointBytes) return undefined;
  if (header.corpusBytes !== undefined && header.corpusBytes !== corpus.size) return undefined;
  return { header: { ...header, run: run ?? header.run }, checkpoint: file.slice(headSize), corpus, where, slot };
}

/** The headers in a folder by their slots, including those of damaged checkpoints. */
async function headersIn(where: FileSystemDirectoryHandle): Promise<Map<string, RunHeader>> {
  const headers = new Map<string, RunHeader>();
  for await (const [name, handle] of where.entries()) {
    if (!slots.includes(name) || !(handle instanceof FileSystemFileHandle)) continue;
    const header = await readHeader(await handle.getFile());
    if (header) headers.set(name, header);
  }
  return headers;
}

/** Deletes the token files that no header in the folder names. */
async function removeUnused(where: FileSystemDirectoryHandle): Promise<void> {
  const used = new Set([...(await headersIn(where)).values()].map(({ corpus }) => corpus));
  for await (const name of where.keys()) if (!slots.includes(name) && !used.has(name)) await where.removeEntry(name);
}

/** The runs with these checkpoints, newest first. */
export function summariesOf(checkpoints: readonly StoredCheckpoint[]): RunSummary[] {
  const runs = new Map<string, RunSummary>();
  const counted = new Set<string>();
  for (const { header, checkpoint, corpus } of checkpoints) {
    const { run, step, endStep, parameters, savedAt, textName } = header;
    const summary = runs.get(run) ?? { run, step, endStep, parameters, savedAt, textName, bytes: 0 };
    summary.bytes += headSize + checkpoint.size;
    if (!counted.has(run + header.corpus)) summary.bytes += corpus.size;
    counted.add(run + header.corpus);
    runs.set(run, summary);
  }
  return [...runs.values()];
}

function encodeHeader(
  label: RunLabel,
  sequence: number,
  checkpointBytes: number,
  corpusBytes: number,
): Uint8Array<ArrayBuffer> {
  const textName = [...label.textName].slice(0, 200).join("");
  const sizes = { sequence, checkpointBytes, corpusBytes };
  const header: RunHeader = { ...label, textName, format: "lorito-run", version: 1, ...sizes };
  const head = new Uint8Array(headSize).fill(0x20);
  head.set(new TextEncoder().encode(JSON.stringify(header)));
  return head;
}

async function readHeader(file: Blob): Promise<RunHeader | undefined> {
  const text = await file.slice(0, headSize).text();
  try {
    const header: unknown = JSON.parse(text);
    return isHeader(header) ? header : undefined;
  } catch {
    return undefined; // incompletely written, or another file
  }
}

/** Validates a header, which may come from an untrusted file. */
function isHeader(value: unknown): value is RunHeader {
  if (typeof value !== "object" || value === null) return false;
  const header = value as Record<string, unknown>;
  const isCount = (name: string) => Number.isSafeInteger(header[name]) && (header[name] as number) >= 0;
  const isName = (name: string, form: RegExp) => typeof header[name] === "string" && form.test(header[name]);
  return (
    header.format === "lorito-run" &&
    header.version === 1 &&
    ["step", "endStep", "parameters", "savedAt", "sequence", "checkpointBytes"].every(isCount) &&
    (header.corpusBytes === undefined || isCount("corpusBytes")) &&
    isName("run", /^[\w-]{1,100}$/) &&
    isName("corpus", /^corpus-[\w-]{1,100}$/) &&
    typeof header.textName === "string"
  );
}

/** The run as one file: header, checkpoint, tokens. Nothing is copied: a Blob points to its parts. */
export function packRun(label: RunLabel, checkpoint: Blob, corpus: Blob): Blob {
  const head = encodeHeader(label, 0, checkpoint.size, corpus.size);
  return new Blob([head, checkpoint, corpus], { type: "application/octet-stream" });
}

export async function unpackRun(file: Blob): Promise<StoredRun> {
  const header = await readHeader(file);
  if (!header) throw { code: "not-a-run" } satisfies Problem;
  const end = headSize + header.checkpointBytes;
  const expected = end + (header.corpusBytes ?? 0);
  if (file.size < expected) throw { code: "file-truncated", found: file.size, expected } satisfies Problem;
  return { header, checkpoint: file.slice(headSize, end), corpus: file.slice(end) };
}
