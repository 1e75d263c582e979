// Collects the files that are dropped on the page, including those in folders. A dropped folder is available only as an
// entry: reading it as a file fails with an unspecific error.
import type { Problem } from "../shared/errors";
import { isLitter, mostFiles } from "../shared/kinds";
import type { NamedFile } from "../shared/protocol";

/** Deepest nesting of folders. */
const deepest = 16;

/** Takes the dropped items out of the event, which is valid only while it is handled. */
export function droppedItems({ items, files }: DataTransfer): (FileSystemEntry | File)[] {
  const given = [...items].filter(({ kind }) => kind === "file");
  if (given.length === 0) return [...files];
  return given.flatMap((item) => item.webkitGetAsEntry?.() ?? item.getAsFile() ?? []);
}

/** All files in them, named by their paths. Throws "too-many-files", or "file-unreadable" for a folder. */
export async function filesIn(items: readonly (FileSystemEntry | File)[]): Promise<NamedFile[]> {
  const found: NamedFile[] = [];
  const take = (file: NamedFile) => {
    if (isLitter(file.name)) return;
    if (found.length === mostFiles) throw { code: "too-many-files", limit: mostFiles } satisfies Problem;
    found.push(file);
  };
  for (const item of items) {
    if (item instanceof File) take({ name: item.name, data: item });
    else await walk(item, 0, take);
  }
  return found;
}

async function walk(entry: FileSystemEntry, depth: number, take: (file: NamedFile) => void): Promise<void> {
  const path = entry.fullPath.replace(/^\//, "");
  const unreadable = (): never => {
    throw { code: "file-unreadable", name: path } satisfies Problem;
  };
  if (entry.isFile) {
    const data = await new Promise<File>((there, lost) => (entry as FileSystemFileEntry).file(there, lost)).catch(
      unreadable,
    );
    return take({ name: path, data });
  }
  // Hidden files in a folder are not content: version control, caches.
  if (depth > deepest || (depth > 0 && entry.name.startsWith("."))) return;
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // Each call returns about a hundred entries.
    const some = await new Promise<FileSystemEntry[]>((there, lost) => reader.readEntries(there, lost)).catch(
      unreadable,
    );
    if (some.length === 0) return;
    for (const inside of some) await walk(inside, depth + 1, take);
  }
}
