// What people bring: files, pasted text, samples, models. Each joins what is there only when it could be read.
import { t } from "./i18n";
import type { Store } from "./state";

export const SAMPLES = ["cuentos", "harbour", "recetas"] as const;
export type SampleName = (typeof SAMPLES)[number];

/** What the crate can read; a model opens instead of joining the text. */
export const ACCEPT =
  ".txt,.md,.csv,.json,.jsonl,.gz,.safetensors,.lorito,text/plain,text/markdown,text/csv,application/json";

/** The files as given, source by source, so that one can be read again with another field. */
const originals: (Blob | undefined)[] = [];

async function read(store: Store, name: string, data: Blob | string, field?: string): Promise<void> {
  const total = typeof data === "string" ? data.length : data.size;
  await store.attempt("text", { task: "reading", name, total }, async () => {
    const onProgress = (done: number) => store.change({ busy: { task: "reading", name, done, total } });
    const text = await store.lorito.addText(name, data, { field, onProgress });
    originals[text.sources.length - 1] = typeof data === "string" ? undefined : data;
  });
}

/** Files from the chooser or a drop, one after the other; one that cannot be read stops none of the others. */
export async function takeFiles(store: Store, files: Iterable<File>): Promise<void> {
  store.forgive("text");
  for (const file of files) {
    if (/\.(safetensors|lorito)$/i.test(file.name)) await openFile(store, file);
    else await read(store, file.name, file);
  }
}

export async function takePaste(store: Store, text: string): Promise<void> {
  store.forgive("text");
  await read(store, t("text.pasted"), text);
}

export function sampleFile(name: SampleName): string {
  return `${name}.txt`;
}

export async function takeSample(store: Store, name: SampleName): Promise<void> {
  store.forgive("text");
  const file = sampleFile(name);
  const response = await store.attempt("text", { task: "reading", name: file }, async () => {
    const answer = await fetch(`samples/${file}`);
    if (!answer.ok) throw { code: "sample-missing", name: file, status: answer.status };
    return await answer.blob();
  });
  if (response) await read(store, file, response);
}

export async function removeSource(store: Store, index: number): Promise<void> {
  await store.attempt("text", undefined, async () => {
    await store.lorito.removeText(index);
    originals.splice(index, 1);
  });
}

/** Reads a CSV or JSON file again with another field; the old reading goes when the new one is in. */
export async function changeField(store: Store, index: number, field: string): Promise<void> {
  store.forgive("text");
  const before = store.state.text?.sources.length ?? 0;
  const name = store.state.text?.sources[index]?.name;
  const file = originals[index];
  if (name === undefined) return;
  if (!file) return store.say("text", { code: "file-gone", name });
  await read(store, name, file, field);
  if ((store.state.text?.sources.length ?? 0) > before) await removeSource(store, index);
}

/** Whether the file behind a source is still at hand, so that it can be read with another field. */
export function canReread(index: number): boolean {
  return originals[index] !== undefined;
}

/** Opens a model, or a run that was downloaded because it could not be saved. */
export async function openFile(store: Store, file: File): Promise<boolean> {
  store.forgive("share");
  const opened = await store.attempt("share", { task: "opening", name: file.name }, async () => {
    if (file.name.toLowerCase().endsWith(".lorito")) store.change({ lastRun: await store.lorito.openRun(file) });
    else await store.lorito.importModel(file);
    return true;
  });
  return opened ?? false;
}

/** Opens a model from an address, saying where from and how much has come. */
export async function openAddress(store: Store, address: string): Promise<boolean> {
  store.forgive("share");
  const opened = await store.attempt("share", { task: "opening", name: address }, async () => {
    const onProgress = (done: number, total: number) =>
      store.change({ busy: { task: "opening", name: address, done, total } });
    await store.lorito.importFromUrl(address, onProgress);
    return true;
  });
  return opened ?? false;
}
