// The files of a ZIP archive. Only the worker loads this, and only when somebody opens an archive.
// @zip.js/zip.js reads an archive by its directory from wherever it lies; the browser inflates.
import { BlobReader, configure, type FileEntry, ZipReader } from "@zip.js/zip.js/lib/zip-core-native.js";
import type { Problem } from "./errors";
import type { NamedFile } from "./protocol";

/** An archive with more entries is no model. */
const mostEntries = 4096;
/** Bytes that an archive may unpack to. */
const largest = 2 ** 32;
/** Deflate makes no more of a byte. */
const densest = 1032;

configure({ useWebWorkers: false });

/** The files whose names are `wanted`, unpacked. Nothing is taken for granted of what the archive says of itself. */
export async function filesOf(archive: Blob, wanted: (name: string) => boolean): Promise<NamedFile[]> {
  const reader = new ZipReader(new BlobReader(archive), { checkOverlappingEntry: true });
  try {
    const entries: FileEntry[] = [];
    for await (const entry of reader.getEntriesGenerator()) {
      if (entries.length === mostEntries) throw damaged("too many files");
      if (entry.directory || !wanted(entry.filename)) continue;
      const { encrypted, uncompressedSize, compressedSize } = entry;
      if (encrypted) throw damaged("it is encrypted");
      if (uncompressedSize > (compressedSize + 64) * densest)
        throw damaged("a file claims to unpack to more than it can");
      entries.push(entry);
    }
    const bytes = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
    if (bytes > largest) throw { code: "file-too-large", name: "zip", bytes, limit: largest } satisfies Problem;
    const files: NamedFile[] = [];
    for (const entry of entries) files.push({ name: entry.filename, data: await unpack(entry) });
    return files;
  } catch (thrown) {
    throw thrown instanceof Error ? damaged(thrown.message) : thrown;
  } finally {
    await reader.close();
  }
}

/** Stops at the size that the directory gives: what unpacks to more was made to fill the memory. */
async function unpack(entry: FileEntry): Promise<Blob> {
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
    },
  });
  await entry.getData(sink, { checkSignature: true });
  if (size !== uncompressedSize) throw damaged("a file is shorter than it claims");
  return new Blob(parts);
}

function damaged(reason: string): Problem {
  return { code: "archive-damaged", reason };
}
