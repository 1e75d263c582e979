// What people bring: files, pasted text, samples, models. Each joins what is there only when it could be read.
import { problemOf } from "./errors";
import { t } from "./i18n";
import type { ChatOptions, HeldBack, Source } from "./lorito";
import { Mutex } from "./mutex";
import { beginning, isOnePage } from "./one-page/recognize";
import type { Reading } from "./protocol";
import type { Original, Store, Unclear } from "./state";

export const SAMPLES = ["cuentos", "harbour", "recetas"] as const;
export type SampleName = (typeof SAMPLES)[number];

/** What the crate can read; a model opens instead of joining the text. */
export const ACCEPT =
  ".txt,.md,.csv,.json,.jsonl,.parquet,.gz,.zip,.safetensors,.lorito,text/plain,text/markdown,text/csv,application/json";

/** The files source by source, so that one can be read again in another way. */
const originals: (Original | undefined)[] = [];

/** What changes the sources does so in turn, as the places of those it names move with every other change. */
const turns = new Mutex();

async function read(
  store: Store,
  name: string,
  data: Original,
  reading: Reading = {},
  replaces?: number,
): Promise<void> {
  const total = [data].flat().reduce((sum, { size }) => sum + size, 0);
  await store.attempt("text", { task: "reading", name, total }, async () => {
    const onProgress = (done: number) => store.change({ busy: { task: "reading", name, done, total } });
    try {
      const text = await store.lorito.addText(name, data, { ...reading, replaces, onProgress });
      originals[replaces ?? text.sources.length - 1] = data;
    } catch (error) {
      const { code, fields, conversational } = problemOf(error);
      if (code === "field-unclear") {
        store.change({ unclear: { name, data, fields: fields as string[], conversational: conversational === true } });
      }
      throw error;
    }
  });
}

/** What a person does next answers errors and questions of before. */
function begin(store: Store): void {
  store.forgive("text");
  store.change({ unclear: undefined });
}

/** Files from the chooser or a drop, one after the other; one that cannot be read stops none of the others. */
export async function takeFiles(store: Store, files: Iterable<File>): Promise<void> {
  begin(store);
  const all = [...files];
  if (all.some(({ name }) => name === "config.json")) {
    await openFiles(store, all);
    return;
  }
  for (const file of all) {
    if (/\.(safetensors|lorito)$/i.test(file.name) || (await isPage(file))) await openFile(store, file);
    else await turns.run(() => read(store, file.name, file));
  }
}

/** The parts of one table, from wherever they came. */
export function takeTable(store: Store, name: string, parts: Blob[]): Promise<void> {
  return turns.run(() => read(store, name, parts));
}

/** Whether it is a page with a model in it. */
async function isPage(file: File): Promise<boolean> {
  return isOnePage(new Uint8Array(await file.slice(0, beginning).arrayBuffer()));
}

export async function takePaste(store: Store, text: string): Promise<void> {
  begin(store);
  await turns.run(() => read(store, t("text.pasted"), new Blob([text])));
}

export function sampleFile(name: SampleName): string {
  return `${name}.txt`;
}

export async function takeSample(store: Store, name: SampleName): Promise<void> {
  begin(store);
  const file = sampleFile(name);
  const response = await store.attempt("text", { task: "reading", name: file }, async () => {
    const answer = await fetch(`samples/${file}`);
    if (!answer.ok) throw { code: "sample-missing", name: file, status: answer.status };
    return await answer.blob();
  });
  if (response) await turns.run(() => read(store, file, response));
}

export function removeSource(store: Store, source: Source): Promise<void> {
  return turns.run(() => remove(store, source));
}

/** Chooses what of the text is held back to test with. */
export function holdBack(store: Store, what: HeldBack): Promise<void> {
  return turns.run(async () => {
    await store.attempt("text", undefined, () => store.lorito.holdBack(what));
  });
}

/** Reads a CSV or JSON file again with another field; with an empty one, as the conversations that it holds. */
export function changeField(store: Store, file: Original | undefined, field: string): Promise<void> {
  return readAgain(store, file, () => ({ field }));
}

/** Reads a file of which nobody could tell where its text is. */
export function chooseField(store: Store, { name, data }: Unclear, field: string): Promise<void> {
  begin(store);
  return turns.run(() => read(store, name, data, { field }));
}

/** Reads a chat of WhatsApp's again in another way. */
export function changeChat(
  store: Store,
  file: Original | undefined,
  change: (options: ChatOptions) => ChatOptions,
): Promise<void> {
  return readAgain(store, file, ({ chat, conversational }) => {
    if (!chat) return {};
    const { you, filters, plain } = chat;
    const field = conversational ? "" : undefined;
    return { field, chat: change({ you: you || undefined, filters, plain }) };
  });
}

/** The new reading takes the old one's place when it is in. A source is found by its file, wherever it is by then. */
function readAgain(store: Store, file: Original | undefined, how: (source: Source) => Reading): Promise<void> {
  store.forgive("text");
  return turns.run(async () => {
    const index = originals.findIndex((original) => original !== undefined && original === file);
    const source = store.state.text?.sources[index];
    if (file && source) await read(store, source.name, file, how(source), index);
  });
}

async function remove(store: Store, source: Source): Promise<void> {
  const index = placeOf(store, source);
  if (index < 0) return;
  await store.attempt("text", undefined, async () => {
    await store.lorito.removeText(index);
    originals.splice(index, 1);
  });
}

/** Where a source that was on the page is now. Of two that are alike in all this, either will do. */
function placeOf(store: Store, source: Source): number {
  const sources = store.state.text?.sources ?? [];
  return sources.findIndex(
    ({ name, field, documents, characters, bytes }) =>
      name === source.name &&
      field === source.field &&
      documents === source.documents &&
      characters === source.characters &&
      bytes === source.bytes,
  );
}

/** The file behind a source, if it is still at hand, so that it can be read in another way. */
export function fileOf(index: number): Original | undefined {
  return originals[index];
}

/** Opens a model, or a run that was downloaded because it could not be saved. */
export async function openFile(store: Store, file: File): Promise<boolean> {
  if (!file.name.toLowerCase().endsWith(".lorito")) return openFiles(store, [file]);
  store.forgive("share");
  const opened = await store.attempt("share", { task: "opening", name: file.name }, async () => {
    store.change({ lastRun: await store.lorito.openRun(file) });
    return true;
  });
  return opened ?? false;
}

/** Opens a model from one file, or from those of a folder. */
export async function openFiles(store: Store, files: File[]): Promise<boolean> {
  const name = nameOf(files);
  store.forgive("share");
  const opened = await store.attempt("share", { task: "opening", name }, async () => {
    const onProgress = (done: number, total: number) => store.change({ busy: { task: "opening", name, done, total } });
    const named = files.map((data) => ({ name: data.webkitRelativePath || data.name, data }));
    await store.lorito.importModel(named, onProgress);
    return true;
  });
  return opened ?? false;
}

/** The folder's name, or the file's. */
export function nameOf(files: readonly File[]): string {
  const [first] = files;
  const folder = first?.webkitRelativePath.split("/")[0];
  const weights = files.find(({ name }) => name.endsWith(".safetensors"));
  return folder || (weights ?? first)?.name || "";
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
