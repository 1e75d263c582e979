// The files that are dropped on the page, those in folders, too. A folder comes as an entry alone: read as a file, it is an
// error that no browser explains.
import type { Problem } from "../shared/errors";
import { isLitter, mostFiles } from "../shared/kinds";
import type { NamedFile } from "../shared/protocol";

/** Folders one in the other. */
const deepest = 16;

/** Takes what is dropped out of the event, which is only there while it is handled. */
export function droppedItems({ items, files }: DataTransfer): (FileSystemEntry | File)[] {
  const given = [...items].filter(({ kind }) => kind === "file");
  if (given.length === 0) return [...files];
  return given.flatMap((item) => item.webkitGetAsEntry?.() ?? item.getAsFile() ?? []);
}

/** All files in them, by their paths. Throws "too-many-files", or "file-unreadable" for a folder. */
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
  // What is hidden in a folder is no person's: version control, caches.
  if (depth > deepest || (depth > 0 && entry.name.startsWith("."))) return;
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // They come some hundred at a time.
    const some = await new Promise<FileSystemEntry[]>((there, lost) => reader.readEntries(there, lost)).catch(
      unreadable,
    );
    if (some.length === 0) return;
    for (const inside of some) await walk(inside, depth + 1, take);
  }
}
