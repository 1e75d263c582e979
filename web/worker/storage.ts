// Accesses the browser's private storage for this page (OPFS): folders, whole files, and saved models.
// Only a worker can write a file in place.
import { type Problem, problemOf } from "../shared/errors";
import { lockName } from "../shared/home";
import type { SavedModel } from "../shared/protocol";
import { alone, storageName } from "./home";

/**
 * Converts any error of the storage to a Problem. `kind`: which operation failed, to choose the sentence.
 */
export function refusal(thrown: unknown, kind?: "model" | "reading" | "record"): Problem {
  const problem = problemOf(thrown);
  if (problem.code === "internal") return { code: "storage-failed", reason: problem.reason, ...(kind ? { kind } : {}) };
  return problem.code === "storage-full" && kind ? { ...problem, kind } : problem;
}

/** A folder of this copy of the page; created unless `create` is false: then undefined if it does not exist. */
export async function folder(name: string): Promise<FileSystemDirectoryHandle>;
export async function folder(name: string, create: boolean): Promise<FileSystemDirectoryHandle | undefined>;
export async function folder(name: string, create = true): Promise<FileSystemDirectoryHandle | undefined> {
  const owner = storageName();
  try {
    return await (await ownFolder(owner)).getDirectoryHandle(name, { create });
  } catch (thrown) {
    if (!create && thrown instanceof DOMException && thrown.name === "NotFoundError") return undefined;
    if (thrown instanceof DOMException && thrown.name === "QuotaExceededError") throw thrown;
    // No OPFS, no https, or a private window: the browser's own message has the reason.
    throw { code: "storage-unavailable", reason: String(thrown) } satisfies Problem;
  }
}

/**
 * The first copy of the page on a host uses the folder "lorito", which also has the data of versions that did not separate
 * copies; an empty folder in it names the owner. Each other copy has a folder inside it.
 */
async function ownFolder(name: string): Promise<FileSystemDirectoryHandle> {
  const shared = await (await navigator.storage.getDirectory()).getDirectoryHandle("lorito", { create: true });
  const mine = encodeURIComponent(name);
  const owner = (await ownerOf(shared)) ?? (await alone("lorito-owner", () => claim(shared, mine)));
  return owner === mine ? shared : shared.getDirectoryHandle(`page ${mine}`, { create: true });
}

const owned = "owner ";

async function ownerOf(shared: FileSystemDirectoryHandle): Promise<string | undefined> {
  for await (const name of shared.keys()) if (name.startsWith(owned)) return name.slice(owned.length);
  return undefined;
}

async function claim(shared: FileSystemDirectoryHandle, mine: string): Promise<string> {
  const owner = await ownerOf(shared);
  if (owner !== undefined) return owner;
  await shared.getDirectoryHandle(owned + mine, { create: true });
  return mine;
}

/**
 * Writes a file whose first bytes, `head`, reach the disk only after all others: while they are zero, the file is invalid.
 * A previous file of this name is lost at once.
 */
export async function writeFile(
  where: FileSystemDirectoryHandle,
  name: string,
  body: Uint8Array,
  head = new Uint8Array(),
): Promise<void> {
  const file = await where.getFileHandle(name, { create: true });
  const handle = await lock(file);
  try {
    handle.truncate(0);
    writeAll(handle, body, head.length);
    handle.flush();
    writeAll(handle, head, 0);
    handle.flush();
    // On a full disk, Chromium's private windows report a complete write although only a part was stored.
    if (handle.getSize() !== head.length + body.length)
      throw new DOMException("not all of it was kept", "QuotaExceededError");
  } catch (thrown) {
    emptied(handle); // an incomplete file would only take scarce space
    throw thrown;
  } finally {
    handle.close();
  }
}

/** Truncates the file; the first failure is the one to report. */
function emptied(handle: FileSystemSyncAccessHandle): void {
  try {
    handle.truncate(0);
  } catch {
    // Without its header the file is invalid anyway.
  }
}

export function writeAll(handle: FileSystemSyncAccessHandle, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = handle.write(bytes.subarray(done), { at: at + done });
    if (written <= 0) throw new DOMException("nothing was written", "QuotaExceededError");
    done += written;
  }
}

/** Retries, as after a reload the browser may take a moment to release the old worker's lock. */
export async function lock(file: FileSystemFileHandle, attempts = 10): Promise<FileSystemSyncAccessHandle> {
  try {
    return await file.createSyncAccessHandle();
  } catch (thrown) {
    const taken = thrown instanceof DOMException && thrown.name === "NoModificationAllowedError";
    if (!taken || attempts <= 1) throw thrown;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return lock(file, attempts - 1);
  }
}

/** The result of `read`; undefined if a file or folder that it needs does not exist, or was deleted meanwhile. */
export async function unlessGone<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === "NotFoundError") return undefined;
    throw thrown;
  }
}

/** The current file; undefined if there is none. */
export function readFile(where: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  return unlessGone(async () => (await where.getFileHandle(name)).getFile());
}

const ending = ".safetensors";

/** A lock: two tabs that save under one name at once would write the same file. */
const changing = <T>(work: () => Promise<T>): Promise<T> =>
  alone(lockName(storageName(), "lorito-models"), work).catch((thrown) => {
    throw refusal(thrown, "model");
  });

export async function savedModels(): Promise<SavedModel[]> {
  const models: SavedModel[] = [];
  for await (const [name, handle] of (await folder("models")).entries()) {
    if (!(handle instanceof FileSystemFileHandle) || !name.endsWith(ending)) continue;
    const file = await unlessGone(() => handle.getFile());
    if (file) models.push({ name: name.slice(0, -ending.length), bytes: file.size, modified: file.lastModified });
  }
  return models.sort((one, other) => other.modified - one.modified);
}

/** Returns the final name. */
export function saveModel(name: string, bytes: Uint8Array): Promise<string> {
  return changing(() => write(name, bytes));
}

async function write(name: string, bytes: Uint8Array): Promise<string> {
  const models = await folder("models");
  const free = await freeName(models, name);
  try {
    await writeFile(models, free + ending, bytes);
    if ((await readFile(models, free + ending))?.size !== bytes.length)
      throw { code: "storage-failed", reason: "what was written is not there" } satisfies Problem;
  } catch (thrown) {
    await models.removeEntry(free + ending).catch(() => {}); // the first failure is the one to report
    throw thrown;
  }
  return free;
}

export async function savedModelFile(name: string): Promise<File> {
  const models = await folder("models");
  const file = await readFile(models, await storedName(models, name));
  if (!file) throw { code: "no-such-model", name } satisfies Problem;
  return new File([file], clean(name) + ending, { type: "application/octet-stream", lastModified: file.lastModified });
}

export async function renameModel(from: string, to: string): Promise<string> {
  if (clean(from) === clean(to)) return clean(from);
  return changing(async () => {
    // Not every browser can move a file, so it is copied; the old one is deleted once the copy is complete.
    const name = await write(to, new Uint8Array(await (await savedModelFile(from)).arrayBuffer()));
    await remove(from);
    return name;
  });
}

export function deleteModel(name: string): Promise<void> {
  return changing(() => remove(name));
}

async function remove(name: string): Promise<void> {
  await savedModelFile(name);
  const models = await folder("models");
  await models.removeEntry(await storedName(models, name));
}

/** The actual name of a listed model's file: earlier versions permitted characters that are now removed. */
async function storedName(models: FileSystemDirectoryHandle, name: string): Promise<string> {
  const before = await readFile(models, name + ending).catch(() => undefined); // such a name is invalid for a file
  return (before ? name : clean(name)) + ending;
}

/** `name` without the characters that some system forbids in file names. */
export function clean(name: string): string {
  const kept = name
    .replace(/\.safetensors$/i, "")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must go, as what turns the direction of writing
    .replace(/[\u0000-\u001f\u007f\\/:*?"<>|\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, " ")
    .replace(/\s+/g, " ")
    .replace(/^[\s.]+|[\s.]+$/g, "");
  return [...kept].slice(0, 80).join("") || "model";
}

/** "name", or "name 2", "name 3" if that is taken. */
async function freeName(models: FileSystemDirectoryHandle, name: string): Promise<string> {
  const wanted = clean(name);
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? wanted : `${wanted} ${number}`;
    if (!(await readFile(models, candidate + ending))) return candidate;
  }
}

/** Awaits a read from storage, and converts its errors. */
export const stored = <T>(asked: Promise<T>): Promise<T> =>
  asked.catch((thrown) => {
    throw refusal(thrown, "reading");
  });
