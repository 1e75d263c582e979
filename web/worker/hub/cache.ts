// Caches hub files in the browser's private storage: one folder per repository, with a manifest and the files, complete or
// partial.

import { hostOf } from "../../shared/hub/place";
import type { HubFile, HubPlace, KeptRepo } from "../../shared/hub/types";
import { folder, readFile, unlessGone, writeFile } from "../storage";

const manifestName = "manifest.json";

interface Manifest {
  place: HubPlace;
  /** The files' commit; partial files of another one cannot be resumed. */
  commit: string;
  files: HubFile[];
  /** Paths of the files that are complete and have the correct hash. */
  whole: string[];
}

/** The folder of one repository. */
export class Shelf {
  readonly #folder: FileSystemDirectoryHandle;
  #manifest: Manifest | undefined;

  private constructor(folder: FileSystemDirectoryHandle, manifest: Manifest | undefined) {
    this.#folder = folder;
    this.#manifest = manifest;
  }

  /** Throws if the browser has no storage. */
  static async at(place: HubPlace): Promise<Shelf> {
    const shelf = await (await folder("hub")).getDirectoryHandle(keyOf(place), { create: true });
    return new Shelf(shelf, await readManifest(shelf));
  }

  /** The files, if all files of the repository are stored completely. */
  async all(): Promise<{ file: HubFile; data: File }[] | undefined> {
    const found: { file: HubFile; data: File }[] = [];
    for (const file of this.#manifest?.files ?? []) {
      const data = await this.whole(file);
      if (!data) return undefined;
      found.push({ file, data });
    }
    return found.length > 0 ? found : undefined;
  }

  /** Prepares the folder for these files of a commit, and deletes those of another commit. */
  async expect(place: HubPlace, commit: string, files: readonly HubFile[]): Promise<void> {
    const before = this.#manifest?.commit === commit ? this.#manifest : undefined;
    if (!before) for await (const name of this.#folder.keys()) await this.#folder.removeEntry(name);
    const others = before?.files.filter(({ path }) => !files.some((file) => file.path === path)) ?? [];
    this.#manifest = { place, commit, files: [...others, ...files], whole: before?.whole ?? [] };
    await this.#write();
  }

  async whole({ path, bytes }: HubFile): Promise<File | undefined> {
    if (!this.#manifest?.whole.includes(path)) return undefined;
    const file = await readFile(this.#folder, stored(path));
    return file?.size === bytes ? file : undefined;
  }

  /** The handle of a complete or partial file; created if it does not exist. */
  entry({ path }: HubFile): Promise<FileSystemFileHandle> {
    return this.#folder.getFileHandle(stored(path), { create: true });
  }

  /** Records that a file is complete and verified. */
  async finished({ path }: HubFile): Promise<void> {
    if (this.#manifest && !this.#manifest.whole.includes(path)) {
      this.#manifest.whole.push(path);
      await this.#write();
    }
  }

  /** Deletes a file that failed verification. */
  async drop({ path }: HubFile): Promise<void> {
    await this.#folder.removeEntry(stored(path)).catch(() => {}); // it may be locked; the manifest does not list it as complete
  }

  async #write(): Promise<void> {
    await writeFile(this.#folder, manifestName, new TextEncoder().encode(JSON.stringify(this.#manifest)));
  }
}

export async function keptRepos(): Promise<KeptRepo[]> {
  const repos: KeptRepo[] = [];
  for await (const [key, handle] of (await folder("hub")).entries()) {
    if (!(handle instanceof FileSystemDirectoryHandle)) continue;
    const repo = await unlessGone(() => keptRepo(key, handle));
    if (repo) repos.push(repo);
  }
  return repos.sort((one, other) => other.modified - one.modified);
}

async function keptRepo(key: string, where: FileSystemDirectoryHandle): Promise<KeptRepo> {
  const manifest = await readManifest(where);
  let [bytes, modified] = [0, 0];
  for await (const [name, entry] of where.entries()) {
    if (!(entry instanceof FileSystemFileHandle) || name === manifestName) continue;
    const file = await entry.getFile();
    bytes += file.size;
    modified = Math.max(modified, file.lastModified);
  }
  // Without a manifest, the transfer was cut off at its start, or the folder is damaged: it can only be deleted.
  const place = manifest?.place ?? { hub: "", type: "model", name: decodeURIComponent(key), revision: "main" };
  const total = manifest?.files.reduce((sum, file) => sum + file.bytes, 0) ?? bytes;
  return { key, place, bytes, total, modified };
}

/** Deletes all stored files of a repository. */
export async function forgetPlace(place: HubPlace): Promise<void> {
  await forgetRepo(keyOf(place));
}

export async function forgetRepo(key: string): Promise<void> {
  await (await folder("hub")).removeEntry(key, { recursive: true });
}

/** The folder's name, which includes the hub: two hubs may have different repositories of the same name. */
function keyOf(place: HubPlace): string {
  return encodeURIComponent(
    `${hostOf(place)}${new URL(place.hub).pathname}${place.type}/${place.name}@${place.revision}`,
  );
}

function stored(path: string): string {
  return `file-${encodeURIComponent(path)}`;
}

async function readManifest(shelf: FileSystemDirectoryHandle): Promise<Manifest | undefined> {
  try {
    const text = await (await readFile(shelf, manifestName))?.text();
    const manifest: Manifest | undefined = text && JSON.parse(text);
    return manifest && Array.isArray(manifest.files) && Array.isArray(manifest.whole) ? manifest : undefined;
  } catch {
    return undefined; // incompletely written
  }
}
