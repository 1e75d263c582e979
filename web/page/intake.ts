// Handles the user's input: files, pasted text, samples, models. Each is added only if it could be read.

import type { ChatOptions, Encoding, HeldBack, ModelSummary, NamedFile, Source } from "../api/lorito";
import { type Problem, problemOf } from "../shared/errors";
import {
  baseOf,
  documentKind,
  isArchive,
  isWeights,
  mostFiles,
  mostTexts,
  type SeenFile,
  shortNames,
  sortFiles,
} from "../shared/kinds";
import { Mutex } from "../shared/mutex";
import { beginning, isOnePage } from "../shared/one-page/recognize";
import type { Reading } from "../shared/protocol";
import accepted from "./accepted.json";
import { cancellable, withCancel } from "./cancellable";
import { t } from "./i18n";
import { mayReplace, openingRun } from "./prepare";
import type { Message, Original, Store, Unclear } from "./state";

export const SAMPLES = ["cuentos", "harbour", "recetas"] as const;
export type SampleName = (typeof SAMPLES)[number];

/** File types that the crate can read; a model is opened instead of being added to the text. */
export const ACCEPT = [
  ...new Set(Object.values(accepted).flat()),
  // Some file choosers know no extensions; all know these types.
  ...Object.keys(accepted).filter((type) => /^text\/|\/json$/.test(type)),
].join(",");

/** File types of texts and documents alone. */
export const ACCEPT_TEXTS = ACCEPT.split(",")
  .filter((type) => !/^\.(safetensors|gguf|lorito)$/.test(type))
  .join(",");

/** The original files by source, so that one can be read again with other options. */
const originals: (Original | undefined)[] = [];

/** The encodings that the user has chosen for files. */
const encodings = new WeakMap<Original, Encoding>();

/** Serializes changes of the sources, as each one shifts the indices of others. */
const turns = new Mutex();

/** Notices about the last input, which are removed by the next one. */
const passing = new WeakSet<Problem>();

function sayInPassing(store: Store, place: Message["place"], notice: Problem): void {
  passing.add(notice);
  store.say(place, notice, "notice");
}

function forgetPassing(store: Store, place: Message["place"]): void {
  const messages = store.state.messages.filter((said) => said.place !== place || !passing.has(said.report));
  store.change({ messages });
}

/** `abort`: cancels it together with all tasks that share it. */
async function read(
  store: Store,
  name: string,
  data: Original,
  reading: Reading = {},
  replaces?: number,
  abort = new AbortController(),
): Promise<void> {
  const messages = store.state.messages.filter(({ place, report }) => place !== "text" || report.code !== "cancelled");
  store.change({ messages });
  const total = [data].flat().reduce((sum, { size }) => sum + size, 0);
  await withCancel(store, "text", { task: "reading", name, total }, abort, async (transfer) => {
    const text = await store.lorito.addText(name, data, { ...reading, replaces, ...transfer }).catch((error) => {
      const problem = problemOf(error);
      if (problem.code === "field-unclear") {
        const { fields, conversational } = problem;
        store.change({ unclear: { name, data, fields, conversational } });
      }
      throw problem.code === "cancelled" ? ({ code: "cancelled", kind: "reading" } satisfies Problem) : error;
    });
    if (reading.encoding) encodings.set(data, reading.encoding);
    else encodings.delete(data);
    for (const notice of text.notices) {
      if (notice.code === "left-in-archive") sayInPassing(store, "text", notice);
      else store.say("text", notice);
    }
  });
  // An archive may have added several, even one that was cancelled before its last.
  for (const index of store.state.text?.sources.keys() ?? []) originals[index] = store.lorito.textFile(index);
}

/** Removes errors and questions about earlier input. */
function begin(store: Store): void {
  store.clearErrors("text");
  store.change({ unclear: undefined });
}

/**
 * Adds or opens dropped or chosen files of any kind; an unreadable file does not stop the others. `place`: where they were
 * chosen, and so where errors are shown: under Share, files are not added as text. Returns the name of the model that was
 * opened, and whether there was one.
 */
export async function takeFiles(
  store: Store,
  given: Iterable<File> | (() => Promise<NamedFile[]>),
  place: "text" | "share" = "text",
): Promise<{ hadModel: boolean; opened: string | undefined }> {
  begin(store);
  store.clearErrors(place);
  forgetPassing(store, place);
  const all = await store.attempt(place, undefined, async () => {
    const files = typeof given === "function" ? await given() : [...given].map(named);
    if (files.length > mostFiles) throw { code: "too-many-files", limit: mostFiles } satisfies Problem;
    return files;
  });
  const seen = await lookAt(store, all ?? [], place);
  const { models, passedOver, runs, texts, others } = sortFiles(seen);
  let opened: string | undefined;
  for (const { data, name } of runs) if (await openRun(store, name, data)) opened = name;
  for (const files of models) if (await openFiles(store, files)) opened = nameOf(files);
  if (opened && passedOver.length > 0)
    sayInPassing(store, "share", { code: "models-passed-over", name: opened, names: passedOver.slice(0, 6) });
  const hadModel = models.length + runs.length > 0;
  if (place === "share") {
    // No model was found: the crate has the best error for that.
    if (!hadModel && seen.length > 0) await openFiles(store, seen.map(unseen));
    return { hadModel, opened };
  }
  if (texts.length > mostTexts) store.say(place, { code: "too-many-texts", count: texts.length, limit: mostTexts });
  else await readTexts(store, texts);
  const found = models.length + runs.length + texts.length;
  if (others.length > 0 && found > 0) sayInPassing(store, place, leftInFolder(others));
  else if (others.length > 0) store.say(place, leftInFolder(others));
  else if (found === 0 && all && seen.length === all.length) store.say(place, { code: "no-files" });
  return { hadModel, opened };
}

const named = (data: File): NamedFile => ({ name: data.webkitRelativePath || data.name, data });
const unseen = ({ name, data }: SeenFile): NamedFile => ({ name, data });

async function readTexts(store: Store, texts: readonly NamedFile[]): Promise<void> {
  const names = shortNames(texts.map(({ name }) => name));
  const abort = new AbortController();
  for (const [index, { name, data }] of texts.entries()) {
    if (abort.signal.aborted) return;
    await turns.run(() => read(store, names[index] ?? name, data, {}, undefined, abort));
  }
}

function leftInFolder(files: readonly NamedFile[]): Problem {
  const found = files.slice(0, 4).map(({ name }) => name.slice(name.lastIndexOf("/") + 1));
  return { code: "left-in-folder", name: folderName(files), count: files.length, found };
}

const folderName = ([first]: readonly NamedFile[]) => first?.name.split("/")[0] ?? "";

/** Examines files whose kind does not follow from their names. Unreadable ones are reported and left out. */
async function lookAt(store: Store, files: readonly NamedFile[], place: "text" | "share"): Promise<SeenFile[]> {
  const seen: SeenFile[] = [];
  for (const file of files) {
    const { name, data } = file;
    await store.attempt(place, undefined, async () => {
      const start = new Uint8Array(
        await data
          .slice(0, beginning)
          .arrayBuffer()
          .catch(() => {
            throw { code: "file-unreadable", name } satisfies Problem;
          }),
      );
      // PyTorch's weights are an archive, too, but of one model.
      // So are Word's documents.
      const isPacked = isArchive(start) && !isWeights(baseOf(name)) && documentKind(name) === undefined;
      const entries = isPacked ? await store.lorito.namesIn(data) : undefined;
      seen.push({ ...file, entries, isPage: isOnePage(start) });
    });
  }
  return seen;
}

/** Adds the parts of one table, from any origin. */
export function takeTable(store: Store, name: string, parts: Blob[]): Promise<void> {
  return turns.run(() => read(store, name, parts));
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

/** Chooses the validation data. */
export function holdBack(store: Store, what: HeldBack): Promise<void> {
  return turns.run(async () => {
    await store.attempt("text", undefined, () => store.lorito.holdBack(what));
  });
}

/** Reads a CSV or JSON file again with another field; with an empty one, as conversations. */
export function changeField(store: Store, file: Original | undefined, field: string): Promise<void> {
  return readAgain(store, file, () => ({ field }));
}

/** Reads a file whose text field could not be detected. */
export function chooseField(store: Store, { name, data }: Unclear, field: string): Promise<void> {
  begin(store);
  return turns.run(() => read(store, name, data, { field }));
}

/** Reads a file again in another encoding; undefined: detected from its bytes. */
export function changeEncoding(
  store: Store,
  file: Original | undefined,
  encoding: Encoding | undefined,
): Promise<void> {
  return readAgain(store, file, () => ({ encoding }));
}

/** The encoding that the user has chosen for a file. */
export function chosenEncoding(file: Original | undefined): Encoding | undefined {
  return file && encodings.get(file);
}

/** Reads a WhatsApp chat again with other options. */
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

/** The new reading replaces the old one once complete. The source is found by its file, as its index may have changed. */
function readAgain(store: Store, file: Original | undefined, how: (source: Source) => Reading): Promise<void> {
  store.clearErrors("text");
  return turns.run(async () => {
    const index = originals.findIndex((original) => original !== undefined && original === file);
    const source = store.state.text?.sources[index];
    if (!file || !source) return;
    await read(store, source.name, file, { encoding: chosenEncoding(file), ...how(source) }, index);
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

/** The current index of a source that was shown on the page. Identical sources are interchangeable. */
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

/** The file of a source, if it is still known, so that it can be read again with other options. */
export function fileOf(index: number): Original | undefined {
  return originals[index];
}

/** Opens a downloaded run. */
async function openRun(store: Store, name: string, file: Blob): Promise<boolean> {
  if (!mayReplace(store)) return false;
  store.clearErrors("share");
  const opened = await store.attempt("share", { task: "opening", name }, async () => {
    const run = await openingRun(store, () => store.lorito.openRun(file));
    store.change({ lastRun: run.step < run.endStep ? run : undefined });
    return true;
  });
  return opened ?? false;
}

/** Opens a model from one file, or from the files of a folder. */
async function openFiles(store: Store, files: NamedFile[]): Promise<boolean> {
  if (!mayReplace(store)) return false;
  const name = nameOf(files);
  store.clearErrors("share");
  forgetPassing(store, "share");
  const opened = await cancellable(store, "share", { task: "opening", name }, async ({ signal, onProgress }) => {
    try {
      const { notices, ...model } = await store.lorito.importModel(files, onProgress, signal);
      for (const notice of notices) sayInPassing(store, "share", notice);
      sayLeftOut(store, model);
      return true;
    } catch (thrown) {
      if (problemOf(thrown).code !== "cancelled") throw thrown;
      throw { code: "cancelled", kind: "opening" } satisfies Problem;
    }
  });
  return opened ?? false;
}

/** Reports the tokens and the chat templates that are left out of an opened model; if there are many, only the first few. */
export function sayLeftOut(
  store: Store,
  { chat, tokensLeftOut, templatesLeftOut }: Pick<ModelSummary, "chat" | "tokensLeftOut" | "templatesLeftOut">,
): void {
  const few = (all: readonly string[]) => (all.length > 6 ? [...all.slice(0, 5), "…"] : all);
  const say = (notice: Problem) => store.say("share", notice, "notice");
  if (tokensLeftOut.length > 0) say({ code: "tokens-left-out", tokens: few(tokensLeftOut) });
  if (templatesLeftOut.length > 0)
    say({ code: "templates-left-out", names: few(templatesLeftOut), kind: chat ? undefined : "none" });
}

/** The folder's name, or the file's. */
function nameOf(files: readonly NamedFile[]): string {
  const [first] = files;
  const folder = first?.name.includes("/") ? folderName(files) : "";
  const weights = files.find(({ name }) => isWeights(baseOf(name)));
  return folder || (weights ?? first)?.name || "";
}

/** Opens a model from an address, and shows the address and the progress. */
export async function openAddress(store: Store, address: string): Promise<boolean> {
  if (!mayReplace(store)) return false;
  const opened = await cancellable(
    store,
    "share",
    { task: "opening", name: address },
    async ({ signal, onProgress }) => {
      await store.lorito.importFromUrl(address, onProgress, signal);
      return true;
    },
  );
  return opened ?? false;
}
