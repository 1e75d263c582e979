// Opens models of other programs, Hugging Face's folders and llama.cpp's files: chooses the needed files of a folder or
// archive, and passes the weights to the crate in pieces, so that they are never in memory twice.
import type { ModelSummary, Session } from "lorito-wasm";
import type { Problem } from "../shared/errors";
import { baseOf, folderOf, isGguf, isWeights, tokenizerDescriptions } from "../shared/kinds";
import type { NamedFile } from "../shared/protocol";
import { startLength } from "./download";
import type { Guarded } from "./turns";
import { macrotask } from "./turns";
import {
  adapterWeights,
  type ChosenWeights,
  chooseWeights,
  indexAmong,
  longestIndex,
  namesInIndex,
  passedOverNotice,
  weightsIndices,
} from "./weights";

/** Files that are read whole; the crate knows them by these names. */
const small = ["config.json", "tokenizer.json", "vocab.json", "merges.txt", ...tokenizerDescriptions];
/** Largest size of a small file, in bytes. */
const largestSmall = 2 ** 25;
/** Largest total size of all weight headers, in bytes: those of the largest models have some hundred kilobytes. */
const largestHeaders = 2 ** 26;
/** Largest total size of all files, in bytes: WebAssembly cannot address more. */
const largest = 2 ** 32;

const adapterConfig = "adapter_config.json";

/** Whether a file with this path may be part of a model. */
export function mayBelong(path: string): boolean {
  return [...small, ...weightsIndices, adapterConfig].includes(baseOf(path)) || isWeights(baseOf(path));
}

/** A file of a folder, or of an archive, which unpacks it on demand. */
export interface FolderFile {
  name: string;
  size: number;
  /** Its first bytes. */
  start(length: number): Promise<Uint8Array>;
  /** Its bytes from one to before another. */
  part(from: number, to: number): Promise<Uint8Array>;
  whole(): Promise<Blob>;
}

export function fileInMemory({ name, data }: NamedFile): FolderFile {
  const part = async (from: number, to: number) => new Uint8Array(await data.slice(from, to).arrayBuffer());
  return { name, size: data.size, start: (length) => part(0, length), part, whole: async () => data };
}

/** The two files of a PEFT adapter. */
export interface AdapterFiles {
  config: FolderFile;
  weights: FolderFile;
}

/** The content of a folder: a model (the files beside its config.json, by their names there), an adapter, or both. */
export type FolderContent = { notices: Problem[] } & (
  | { base: FolderFile[]; adapter: AdapterFiles | undefined }
  | { base: undefined; adapter: AdapterFiles }
);

/** Finds the model and its adapter. Of several config.json files the shallowest one counts; a GGUF file needs none. */
export function contentOf(files: readonly FolderFile[]): FolderContent {
  const named = (wanted: string) => leastDeep(files, (name) => name === wanted);
  const config = named("config.json") ?? leastDeep(files, isGguf);
  const settings = named(adapterConfig);
  const weights = settings && beside(files, settings).find(({ name }) => name === adapterWeights);
  const adapter = settings && weights && { config: settings, weights };
  if (!config) {
    if (!adapter) throw missing(files);
    return { base: undefined, adapter, notices: [] };
  }
  const base = beside(files, config);
  if (!settings) return { base, adapter: undefined, notices: [] };
  // An adapter in a deeper folder than the model belongs to another run.
  if (adapter && depth(settings.name) <= depth(config.name)) return { base, adapter, notices: [] };
  return { base, adapter: undefined, notices: [{ code: "adapter-left-out", name: settings.name }] };
}

/** The only weight file, where no config.json describes a model: it may be Lorito's own. */
export function onlyWeights(files: readonly FolderFile[]): FolderFile | undefined {
  const weights = files.filter(({ name }) => name.endsWith(".safetensors"));
  const isDescribed = files.some(({ name }) => ["config.json", adapterConfig].includes(baseOf(name)));
  const [only] = weights;
  return only && weights.length === 1 && !isDescribed && baseOf(only.name) !== adapterWeights ? only : undefined;
}

function missing(files: readonly FolderFile[]): Problem {
  const has = (wanted: string) => files.some(({ name }) => baseOf(name) === wanted);
  if (has(adapterConfig)) return { code: "file-missing", kind: "adapter", name: adapterWeights };
  if (has(adapterWeights)) return { code: "file-missing", kind: "adapter", name: adapterConfig };
  return { code: "file-missing", name: "config.json" };
}

const depth = (path: string) => path.split("/").length;

function leastDeep(files: readonly FolderFile[], isWanted: (name: string) => boolean): FolderFile | undefined {
  const found = files.filter(({ name }) => isWanted(baseOf(name)));
  return found.sort((one, other) => depth(one.name) - depth(other.name))[0];
}

/** The files in the same folder, by their names there. */
function beside(files: readonly FolderFile[], file: FolderFile): FolderFile[] {
  const folder = folderOf(file.name);
  return files.filter(({ name }) => folderOf(name) === folder).map((other) => ({ ...other, name: baseOf(other.name) }));
}

/** What opening a folder needs. */
interface Opening {
  session: Guarded<Session>;
  signal: AbortSignal;
  progress(loaded: number, total: number): void;
}

/**
 * Opens a folder in place of the current model, which stays until the new one is complete. The small files and the weight
 * headers are checked before the rest is unpacked or read. Returns notices about ignored files.
 */
export async function openFolder(
  files: readonly FolderFile[],
  { session, signal, progress }: Opening,
): Promise<{ model: ModelSummary; notices: Problem[] }> {
  const named = new Map(files.map((file) => [file.name, file]));
  const read = async (name: string, limit = largestSmall) => {
    const file = named.get(name);
    return file && bytesOf(file, limit);
  };
  const all = [...named.keys()];
  const config = await read("config.json");
  const indexName = indexAmong(all);
  const index = indexName && (await read(indexName, longestIndex));
  const chosen = chooseWeights(all, index ? namesInIndex(new TextDecoder().decode(index)) : undefined);
  // A GGUF file describes itself.
  const isAlone = chosen.weights.some(isGguf);
  if (config && !isAlone) await session.use((open) => open.checkPretrained(config));
  const weights = weightsOf(chosen, named);
  const given: { name: string; from: number; bytes: Uint8Array; total: number }[] = [];
  for (const name of isAlone ? [] : small.filter((name) => named.has(name))) {
    const bytes = name === "config.json" ? config : await read(name);
    if (bytes) given.push({ name, from: 0, bytes, total: bytes.length });
  }
  if (indexName && index) given.push({ name: indexName, from: 0, bytes: index, total: index.length });
  let headers = 0;
  for (const file of weights)
    for (const part of await headerParts(file, session, signal)) {
      headers += part.bytes.length;
      if (headers > largestHeaders)
        throw { code: "header-too-large", bytes: headers, limit: largestHeaders } satisfies Problem;
      given.push({ name: file.name, ...part, total: file.size });
    }
  const pieces = await session.use((open) =>
    open.beginPretrained(
      given.map(({ name }) => name),
      Float64Array.from(given, ({ from }) => from),
      given.map(({ bytes }) => bytes),
      Float64Array.from(given, ({ total }) => total),
    ),
  );
  const total = pieces.reduce((sum, { from, to }) => sum + to - from, 0);
  let loaded = 0;
  try {
    const blobs = new Map<string, Blob>();
    for (const file of weights) blobs.set(file.name, await file.whole());
    for (const { file, from, to } of pieces) {
      stopIfEnded(signal);
      const bytes = new Uint8Array((await blobs.get(file)?.slice(from, to).arrayBuffer()) ?? new ArrayBuffer());
      await session.use((open) => open.pushPretrained(bytes));
      loaded += to - from;
      progress(loaded, total);
      await macrotask();
    }
    const model = await session.use((open) => open.finishPretrained());
    return { model, notices: passedOverNotice(chosen) };
  } catch (thrown) {
    await session.use((open) => open.dropPretrained());
    throw thrown;
  }
}

/** The chosen weight files that exist: the crate reports the missing ones of an index. */
function weightsOf({ weights, byIndex, passedOver }: ChosenWeights, named: ReadonlyMap<string, FolderFile>) {
  if (weights.length === 0 && passedOver.length > 0)
    throw { code: "weights-unclear", found: passedOver.slice(0, 6) } satisfies Problem;
  const found = weights.flatMap((name) => named.get(name) ?? []);
  const lost = weights.find((name) => !named.has(name));
  if (lost && !byIndex) throw { code: "file-missing", name: lost } satisfies Problem;
  const bytes = found.reduce((sum, { size }) => sum + size, 0);
  const [{ name = "" } = {}] = found;
  if (bytes > largest) throw { code: "file-too-large", name, bytes, limit: largest } satisfies Problem;
  return found;
}

/** A part of a file, with the offset of its first byte. */
interface Part {
  from: number;
  bytes: Uint8Array;
}

/** The parts of a weight file that describe its tensors: the crate knows where they are. */
async function headerParts(file: FolderFile, session: Guarded<Session>, signal: AbortSignal): Promise<Part[]> {
  const { name, size } = file;
  const parts = new Map<number, Uint8Array>();
  for (;;) {
    stopIfEnded(signal);
    const offsets = Float64Array.from(parts.keys());
    const wanted = await session.use((open) => open.wantedParts(name, size, offsets, [...parts.values()]));
    if (wanted.length === 0) return [...parts].map(([from, bytes]) => ({ from, bytes }));
    for (const [from, to] of wanted) parts.set(from, await file.part(from, to));
  }
}

/** The header of a safetensors file, with the eight bytes before it. */
export async function headerOf(file: FolderFile): Promise<Uint8Array> {
  const first = await file.start(8);
  return file.start(startLength(first, file.size));
}

/** The bytes of a small file. */
export async function bytesOf(file: FolderFile, limit = largestSmall): Promise<Uint8Array> {
  const { name, size } = file;
  if (size > limit) throw { code: "file-too-large", name, bytes: size, limit } satisfies Problem;
  return new Uint8Array(await (await file.whole()).arrayBuffer());
}

export function stopIfEnded(signal: AbortSignal): void {
  if (signal.aborted) throw { code: "cancelled" } satisfies Problem;
}
