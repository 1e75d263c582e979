// Opens models: Lorito's own file, a one-page model, a Hugging Face folder, a GGUF file, an adapter. The previous model
// stays until the new one is complete.
import type { ModelSummary } from "lorito-wasm";
import { problemOf, readingFile } from "../shared/errors";
import { beginsAsGguf, isArchive, isGguf } from "../shared/kinds";
import { beginning, isOnePage } from "../shared/one-page/recognize";
import { part } from "../shared/part";
import type { NamedFile } from "../shared/protocol";
import { type HeaderCheck, startOf } from "./download";
import { emit, engine, exclusively, refuseWhileTraining } from "./engine";
import {
  type AdapterFiles,
  bytesOf as bytesOfFile,
  contentOf,
  type FolderFile,
  fileInMemory,
  headerOf,
  mayBelong,
  onlyWeights,
  openFolder,
} from "./folder";

/** Opens Lorito's own file, alone or in a page, a GGUF file, an archive with a folder in it, or a folder's files. */
export function openAny(call: number, source: Blob | NamedFile[], signal: AbortSignal): Promise<ModelSummary> {
  return readingFile(namesOf(source), () => openSource(call, source, signal));
}

/** The names of the given files, for an error; empty if they have none. */
export function namesOf(given: Blob | NamedFile[]): string {
  if (given instanceof Blob) return given instanceof File ? given.name : "";
  return given.map(({ name }) => name).join(", ");
}

async function openSource(call: number, source: Blob | NamedFile[], signal: AbortSignal): Promise<ModelSummary> {
  if (source instanceof Blob) {
    const start = new Uint8Array(await source.slice(0, beginning).arrayBuffer());
    if (isOnePage(start)) return openOnePage(call, source, signal);
    if (beginsAsGguf(start)) return openFiles(call, [fileInMemory({ name: ggufName(source), data: source })], signal);
    if (!isArchive(start)) return openModel(source);
    const { Archive } = await part(import("./archive"));
    const archive = await Archive.open(source, signal);
    const files = archive.names.filter(mayBelong).map((name) => archive.file(name));
    return openFiles(call, files, signal);
  }
  const files = source.map(fileInMemory);
  const [first] = source;
  if (source.length === 1 && first && contentIsUnknown(files)) return openSource(call, first.data, signal);
  return openFiles(call, files, signal);
}

/** The name of a GGUF file, which may say that it is one of several. */
function ggufName(source: Blob): string {
  return source instanceof File && isGguf(source.name) ? source.name : "model.gguf";
}

/** Whether the name of a single file does not reveal its kind. */
function contentIsUnknown(files: readonly FolderFile[]): boolean {
  return !files.some(({ name }) =>
    /(^|\/)((adapter_)?config\.json|adapter_model\.safetensors|[^/]*\.(gguf|bin))$/i.test(name),
  );
}

async function openFiles(call: number, files: readonly FolderFile[], signal: AbortSignal): Promise<ModelSummary> {
  const own = onlyWeights(files);
  if (own) return openOwn(own);
  const { base, adapter, notices } = contentOf(files);
  if (!base) return openAdapter(adapter);
  const opened = await openBase(call, base, signal);
  notices.push(...opened.notices);
  let { model } = opened;
  if (adapter)
    model = await openAdapter(adapter).catch((thrown) => {
      // The model is open, and usable without its adapter.
      notices.push({ code: "adapter-left-out", name: adapter.config.name }, problemOf(thrown));
      return model;
    });
  for (const notice of notices) emit({ event: "notice", call, notice });
  return model;
}

async function openBase(call: number, files: readonly FolderFile[], signal: AbortSignal) {
  const { session, writer, saver } = engine();
  refuseWhileTraining();
  const progress = (loaded: number, total: number) => emit({ event: "loaded", call, loaded, total });
  const opened = await writer.instead(() => openFolder(files, { session, signal, progress }));
  saver.modelChanged();
  return opened;
}

/** Opens one of Lorito's own files from an archive. */
async function openOwn(file: FolderFile): Promise<ModelSummary> {
  await checkHeader(await headerOf(file), file.size);
  return openModel(await file.whole());
}

/** Rejects a model that cannot be opened before its weights are fetched. */
export async function checkConfig({ name, data }: NamedFile): Promise<void> {
  if (name !== "config.json") return;
  const bytes = await bytesOf(data);
  await engine().session.use((session) => session.checkPretrained(bytes));
}

/** Adds a PEFT adapter to the open model. */
async function openAdapter({ config, weights }: AdapterFiles): Promise<ModelSummary> {
  const described = await bytesOfFile(config);
  const header = await headerOf(weights);
  await engine().session.use((session) => session.checkWeights(header, weights.size));
  const numbers = await bytesOf(await weights.whole());
  const model = await exclusively((session) => session.importAdapter(described, numbers));
  engine().saver.modelChanged();
  return model;
}

async function bytesOf(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

async function openOnePage(call: number, page: Blob, signal: AbortSignal): Promise<ModelSummary> {
  const { modelIn } = await part(import("./one-page/read"));
  const progress = (loaded: number, total: number) => emit({ event: "loaded", call, loaded, total });
  return openModel(await modelIn(page, checkHeader, progress, signal));
}

export const checkHeader: HeaderCheck = (start, total) =>
  engine().session.use((session) => session.checkModelHeader(start, total));

export async function openModel(file: Blob): Promise<ModelSummary> {
  // The beginning is checked before the whole file is read into memory.
  const start = await startOf(file);
  await engine().session.use((session) => session.checkModelHeader(start, file.size));
  const bytes = new Uint8Array(await file.arrayBuffer());
  const model = await exclusively((session) => session.importModel(bytes));
  engine().saver.modelChanged();
  return model;
}
