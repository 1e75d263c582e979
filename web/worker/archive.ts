// Reads the files of a ZIP archive. Only the worker loads this, and only when an archive is opened.
// @zip.js/zip.js reads only the directory and the wanted entries; the browser inflates.
import { BlobReader, configure, type FileEntry, ZipReader } from "@zip.js/zip.js/lib/zip-core-native.js";
import type { Problem } from "../shared/errors";
import type { FolderFile } from "./folder";

/** Largest number of entries. An exported chat may be among ten thousand photos. */
const mostEntries = 2 ** 16;
/** Largest directory, in bytes. */
const longestDirectory = 2 ** 26;
/** The largest ratio that Deflate can reach. */
const densest = 1032;

configure({ useWebWorkers: false });

/** Limits single reads to the largest directory: the browser would allocate whatever length the archive claims. */
class BoundedReader extends BlobReader {
  override readUint8Array(offset: number, length: number): Promise<Uint8Array> {
    if (length > longestDirectory) throw damaged("its list of files is too long");
    return super.readUint8Array(offset, length);
  }
}

/** An archive with a parsed directory. Files are unpacked on demand, and the sizes in their entries are verified. */
export class Archive {
  readonly #entries: ReadonlyMap<string, FileEntry>;
  readonly #signal: AbortSignal | undefined;

  private constructor(entries: ReadonlyMap<string, FileEntry>, signal: AbortSignal | undefined) {
    this.#entries = entries;
    this.#signal = signal;
  }

  /** `signal` cancels this and all unpacking. Throws "archive-damaged" or "cancelled". */
  static async open(archive: Blob, signal?: AbortSignal): Promise<Archive> {
    return guarded(signal, async () => {
      const reader = new ZipReader(new BoundedReader(archive), { checkOverlappingEntry: true });
      const entries = new Map<string, FileEntry>();
      for await (const entry of reader.getEntriesGenerator()) {
        if (signal?.aborted) throw ended;
        if (entries.size === mostEntries) throw damaged(`it has more than ${mostEntries} files`);
        // Some Windows programs write backslashes.
        const name = entry.filename.replaceAll("\\", "/");
        if (!entry.directory && !name.endsWith("/") && !entries.has(name)) entries.set(name, entry);
      }
      return new Archive(entries, signal);
    });
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  /** A file's unpacked size in bytes. Throws if the file cannot be unpacked, or cannot be that large. */
  sizeOf(name: string): number {
    return this.#checked(name).uncompressedSize;
  }

  /** A file that is unpacked on demand. */
  file(name: string): FolderFile {
    const size = this.sizeOf(name);
    // Unpacked once: a model's parts are asked for one by one.
    let unpacked: Promise<Blob> | undefined;
    const whole = () => {
      unpacked ??= this.unpack(name);
      return unpacked;
    };
    const part = async (from: number, to: number) =>
      from === 0 && !unpacked ? this.start(name, to) : bytesOf((await whole()).slice(from, to));
    return { name, size, start: (length) => this.start(name, length), part, whole };
  }

  /** The first bytes of a file; only these are unpacked. */
  async start(name: string, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const whole = length >= this.sizeOf(name);
    const blob = whole ? await this.unpack(name) : await this.#inflate(name, length);
    return new Uint8Array(await blob.slice(0, length).arrayBuffer());
  }

  /** A whole file. Throws "archive-damaged" unless it is exactly as large as its entry says. */
  unpack(name: string): Promise<Blob> {
    return this.#inflate(name, undefined);
  }

  /** Stops at the size in the directory: a file that unpacks to more is a ZIP bomb. */
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

/** Ends the unpacking of a file after the wanted bytes. */
const enough = new Error("enough");
const ended: Problem = { code: "cancelled" };

/** Converts the errors of zip.js to Problems. */
async function guarded<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (signal?.aborted) throw ended;
    throw thrown instanceof Error ? damaged(thrown.message) : thrown;
  }
}

async function bytesOf(part: Blob): Promise<Uint8Array> {
  return new Uint8Array(await part.arrayBuffer());
}

function damaged(reason: string): Problem {
  return { code: "archive-damaged", reason };
}
