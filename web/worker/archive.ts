// The files of a ZIP archive. Only the worker loads this, and only when somebody opens an archive.
// @zip.js/zip.js reads an archive by its directory from wherever it lies; the browser inflates.
import { BlobReader, configure, type FileEntry, ZipReader } from "@zip.js/zip.js/lib/zip-core-native.js";
import type { Problem } from "../shared/errors";
import type { FolderFile } from "./folder";

/** Entries that are listed. An export of a chat may lie among ten thousand photos. */
const mostEntries = 2 ** 16;
/** Bytes of the list. */
const longestDirectory = 2 ** 26;
/** Deflate makes no more of a byte. */
const densest = 1032;

configure({ useWebWorkers: false });

/** Reads no more of an archive at once than its list may have: the browser would take memory for whatever is announced. */
class BoundedReader extends BlobReader {
  override readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    if (length > longestDirectory) throw damaged("its list of files is too long");
    return super.readUint8Array(offset, length);
  }
}

/** An archive whose list has been read. A file is unpacked when it is asked for, and nothing that its entry says is believed. */
export class Archive {
  readonly #entries: ReadonlyMap<string, FileEntry>;
  readonly #signal: AbortSignal | undefined;

  private constructor(entries: ReadonlyMap<string, FileEntry>, signal: AbortSignal | undefined) {
    this.#entries = entries;
    this.#signal = signal;
  }

  /** `signal` ends this and all that is unpacked. Throws "archive-damaged" or "cancelled". */
  static async open(archive: Blob, signal?: AbortSignal): Promise<Archive> {
    return guarded(signal, async () => {
      const reader = new ZipReader(new BoundedReader(archive), { checkOverlappingEntry: true });
      const entries = new Map<string, FileEntry>();
      for await (const entry of reader.getEntriesGenerator()) {
        if (signal?.aborted) throw ended;
        if (entries.size === mostEntries) throw damaged(`it has more than ${mostEntries} files`);
        // Some programs for Windows write its own strokes.
        const name = entry.filename.replaceAll("\\", "/");
        if (!entry.directory && !name.endsWith("/") && !entries.has(name)) entries.set(name, entry);
      }
      return new Archive(entries, signal);
    });
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /** Bytes that a file unpacks to. Throws for what cannot be unpacked, or cannot have as many. */
  sizeOf(name: string): number {
    return this.#checked(name).uncompressedSize;
  }

  /** A file that is unpacked when it is asked for. */
  file(name: string): FolderFile {
    const size = this.sizeOf(name);
    return { name, size, start: (length) => this.start(name, length), whole: () => this.unpack(name) };
  }

  /** The first bytes of a file, which is unpacked no further than to them. */
  async start(name: string, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const whole = length >= this.sizeOf(name);
    const blob = whole ? await this.unpack(name) : await this.#inflate(name, length);
    return new Uint8Array(await blob.slice(0, length).arrayBuffer());
  }

  /** A whole file. Throws "archive-damaged" if it is not exactly what the entry says. */
  unpack(name: string): Promise<Blob> {
    return this.#inflate(name, undefined);
  }

  /** Stops at the size that the list gives: what unpacks to more was made to fill the memory. */
  #inflate(name: string, length: number | undefined): Promise<Blob> {
    return guarded(this.#signal, async () => {
      const entry = this.#checked(name);
      const { uncompressedSize } = entry;
      let parts: BlobPart[] = [];
      let loose = 0;
      let size = 0;
      const sink = new WritableStream<Uint8Array<ArrayBuffer>>({
        write(chunk) {
          size += chunk.length;
          if (size > uncompressedSize) throw damaged("a file unpacks to more than it claims");
          parts.push(chunk);
          loose += chunk.length;
          // The browser may keep a Blob on disk.
          if (loose >= 2 ** 24) {
            parts = [new Blob(parts)];
            loose = 0;
          }
          if (length !== undefined && size >= length) throw enough;
        },
      });
      const options = this.#signal ? { checkSignature: true, signal: this.#signal } : { checkSignature: true };
      await entry.getData(sink, options).catch((thrown) => {
        if (length === undefined || size < length || size > uncompressedSize) throw thrown;
      });
      if (length === undefined && size !== uncompressedSize) throw damaged("a file is shorter than it claims");
      return new Blob(parts);
    });
  }

  #checked(name: string): FileEntry {
    const entry = this.#entries.get(name);
    if (!entry) throw { code: "file-missing", name } satisfies Problem;
    const { encrypted, uncompressedSize, compressedSize } = entry;
    if (encrypted) throw { code: "archive-encrypted", name } satisfies Problem;
    if (uncompressedSize > (compressedSize + 64) * densest)
      throw damaged("a file claims to unpack to more than it can");
    return entry;
  }
}

/** Ends the unpacking of a file of which no more is wanted. */
const enough = new Error("enough");
const ended: Problem = { code: "cancelled" };

/** What zip.js throws, in words of ours. */
async function guarded<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (signal?.aborted) throw ended;
    throw thrown instanceof Error ? damaged(thrown.message) : thrown;
  }
}

function damaged(reason: string): Problem {
  return { code: "archive-damaged", reason };
}
