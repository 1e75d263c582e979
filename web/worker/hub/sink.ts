// Where a download goes as it comes in: to the browser's private files, from where it can go on after a break, or, where
// there is no room, to memory.
import type { Problem } from "../../shared/errors";
import { lock, writeAll } from "../storage";

/** Chunks are put together into a Blob, which the browser may keep on disk, when they come to this. */
const handful = 2 ** 24;

export class Sink {
  size: number;
  /** Why not all of it is in the browser's files. */
  unkept: unknown;
  readonly #entry: FileSystemFileHandle | undefined;
  #handle: FileSystemSyncAccessHandle | undefined;
  /** What lies in the entry. */
  #kept: number;
  /** What follows it. */
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
        // On a full disk, Chromium's private windows say that all was written and keep a part.
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

  /** Forgets all that has come. */
  empty(): void {
    this.#handle?.truncate(0);
    [this.size, this.#kept, this.#loose] = [0, 0, 0];
    [this.#parts, this.#chunks] = [[], []];
  }

  /** What has come; nothing can be written any more. */
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
