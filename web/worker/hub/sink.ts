// Writes a download to the browser's private files, where it can be resumed after an interruption, or, if there is no
// space, to memory.
import type { Problem } from "../../shared/errors";
import { lock, writeAll } from "../storage";

/** Chunks are combined to a Blob of this size, which the browser may keep on disk. */
const handful = 2 ** 24;

export class Sink {
  size: number;
  /** Why not all of it is in the browser's files. */
  unkept: unknown;
  readonly #entry: FileSystemFileHandle | undefined;
  #handle: FileSystemSyncAccessHandle | undefined;
  /** Bytes in the file. */
  #kept: number;
  /** The data after them. */
  #parts: Blob[] = [];
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #loose = 0;

  private constructor(entry?: FileSystemFileHandle, handle?: FileSystemSyncAccessHandle) {
    this.#entry = entry;
    this.#handle = handle;
    this.#kept = handle?.getSize() ?? 0;
    this.size = this.#kept;
  }

  static async into(entry: FileSystemFileHandle): Promise<Sink> {
    return new Sink(entry, await lock(entry));
  }

  static inMemory(why: unknown): Sink {
    const sink = new Sink();
    sink.unkept = why;
    return sink;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void {
    this.size += chunk.length;
    if (this.#handle) {
      try {
        writeAll(this.#handle, chunk, this.#kept);
        // On a full disk, Chromium's private windows report a complete write although only a part was stored.
        if (this.#handle.getSize() < this.#kept + chunk.length) throw { code: "storage-full" } satisfies Problem;
        this.#kept += chunk.length;
        return;
      } catch (thrown) {
        this.unkept = thrown;
        this.#handle.truncate(this.#kept);
        this.#close();
      }
    }
    this.#chunks.push(chunk);
    this.#loose += chunk.length;
    if (this.#loose >= handful) this.#gather();
  }

  /** Deletes all data. */
  empty(): void {
    this.#handle?.truncate(0);
    [this.size, this.#kept, this.#loose] = [0, 0, 0];
    [this.#parts, this.#chunks] = [[], []];
  }

  /** Returns the data, and ends writing. */
  async close(): Promise<Blob> {
    this.#close();
    this.#gather();
    const file = await this.#entry?.getFile();
    if (!file || this.#kept === 0) return new Blob(this.#parts);
    return this.#parts.length === 0 && file.size === this.#kept
      ? file
      : new Blob([file.slice(0, this.#kept), ...this.#parts]);
  }

  #close(): void {
    try {
      this.#handle?.flush();
    } catch (thrown) {
      this.unkept ??= thrown;
    } finally {
      this.#handle?.close();
      this.#handle = undefined;
    }
  }

  #gather(): void {
    if (this.#chunks.length > 0) this.#parts.push(new Blob(this.#chunks));
    this.#chunks = [];
    this.#loose = 0;
  }
}
