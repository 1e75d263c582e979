// Models come in: one file of ours, a model's page, a folder of Hugging Face's, an adapter. The one before stays until
// the new one is known good.
import type { ModelSummary } from "lorito-wasm";
import { type HeaderCheck, startOf } from "./download";
import { emit, engine, exclusively, refuseWhileTraining } from "./engine";
import { type AdapterFiles, adapterAmong, isArchive, isFolder, mayBelong, openFolder } from "./folder";
import { beginning, isOnePage } from "./one-page/recognize";
import { part } from "./part";
import type { NamedFile } from "./protocol";

/** Opens one file of ours, alone or in its page, an archive with a folder in it, or a folder's files. */
export async function openAny(call: number, source: Blob | NamedFile[]): Promise<ModelSummary> {
  if (source instanceof Blob) {
    const start = new Uint8Array(await source.slice(0, beginning).arrayBuffer());
    if (isOnePage(start)) return openOnePage(call, source);
    if (!isArchive(start)) return openModel(source);
    const { filesOf } = await part(import("./archive"));
    return openFiles(call, await filesOf(source, mayBelong));
  }
  const [first] = source;
  if (source.length === 1 && first && !isFolder(source)) return openAny(call, first.data);
  return openFiles(call, source);
}

async function openFiles(call: number, files: NamedFile[]): Promise<ModelSummary> {
  const { session, writer, keeper } = engine();
  const adapter = adapterAmong(files);
  if (adapter) return openAdapter(adapter);
  refuseWhileTraining();
  const model = await writer.instead(() =>
    openFolder(session, files, (loaded, total) => emit({ event: "loaded", call, loaded, total })),
  );
  keeper.modelChanged();
  return model;
}

/** What cannot be opened is refused before its weights are on their way. */
export async function checkConfig({ name, data }: NamedFile): Promise<void> {
  if (name !== "config.json") return;
  const bytes = await bytesOf(data);
  await engine().session.use((session) => session.checkPretrained(bytes));
}

/** Puts PEFT's adapter beside the model there is. */
async function openAdapter({ config, weights }: AdapterFiles): Promise<ModelSummary> {
  const [described, numbers] = await Promise.all([bytesOf(config), bytesOf(weights)]);
  const model = await exclusively((session) => session.importAdapter(described, numbers));
  engine().keeper.modelChanged();
  return model;
}

async function bytesOf(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

async function openOnePage(call: number, page: Blob): Promise<ModelSummary> {
  const { modelIn } = await part(import("./one-page/read"));
  return openModel(await modelIn(page, checkHeader, (loaded, total) => emit({ event: "loaded", call, loaded, total })));
}

export const checkHeader: HeaderCheck = (start, total) =>
  engine().session.use((session) => session.checkModelHeader(start, total));

export async function openModel(file: Blob): Promise<ModelSummary> {
  // A look at the start, before the whole is read into memory.
  const start = await startOf(file);
  await engine().session.use((session) => session.checkModelHeader(start, file.size));
  const bytes = new Uint8Array(await file.arrayBuffer());
  const model = await exclusively((session) => session.importModel(bytes));
  engine().keeper.modelChanged();
  return model;
}
