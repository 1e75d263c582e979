// Opening models of Hugging Face's: which files of a folder or archive are needed, and their way to the crate piece by
// piece, so that the weights are never in memory twice. Runs in the worker.
import type { ModelSummary, Session } from "lorito-wasm";
import { startOf } from "./download";
import type { Problem } from "./errors";
import type { Guarded } from "./mutex";
import { macrotask } from "./mutex";
import type { NamedFile } from "./protocol";

const index = "model.safetensors.index.json";
/** Say more of the tokenizer, and where texts end. */
const describing = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "generation_config.json",
  "chat_template.jinja",
];
/** Read whole; the crate knows them by these names. */
const small = ["config.json", "tokenizer.json", "vocab.json", "merges.txt", ...describing, index];
/** Small files that are larger than this are none. */
const largestSmall = 2 ** 25;

const base = (path: string) => path.slice(path.lastIndexOf("/") + 1);
const isWeights = (name: string) => name.endsWith(".safetensors");

const adapterConfig = "adapter_config.json";
const adapterWeights = "adapter_model.safetensors";

/** Whether a file with this path may belong to a model. */
export function mayBelong(path: string): boolean {
  return [...small, adapterConfig].includes(base(path)) || isWeights(path);
}

/** PEFT's two files. */
export interface AdapterFiles {
  config: Blob;
  weights: Blob;
}

/** An adapter alone, without the model that it belongs to. */
export function adapterAmong(files: readonly NamedFile[]): AdapterFiles | undefined {
  const named = (wanted: string) => files.find(({ name }) => base(name) === wanted)?.data;
  const config = named(adapterConfig);
  if (!config || isFolder(files)) return undefined;
  const weights = named(adapterWeights);
  if (!weights) throw { code: "file-missing", kind: "adapter", name: adapterWeights } satisfies Problem;
  if (config.size > largestSmall)
    throw { code: "file-too-large", name: adapterConfig, bytes: config.size, limit: largestSmall } satisfies Problem;
  return { config, weights };
}

/** Whether a file that begins so is a ZIP archive. */
export function isArchive(start: Uint8Array): boolean {
  // One with nothing in it has only its end.
  const [first, second] = start.subarray(2);
  return start[0] === 0x50 && start[1] === 0x4b && ((first === 3 && second === 4) || (first === 5 && second === 6));
}

/** Whether these files are a folder of Hugging Face's, and no file of our own. */
export function isFolder(files: readonly NamedFile[]): boolean {
  return files.some(({ name }) => base(name) === "config.json");
}

/** The files beside the config.json that lies least deep, by their names there. */
function besideConfig(files: readonly NamedFile[]): NamedFile[] {
  const configs = files.map(({ name }) => name).filter((name) => base(name) === "config.json");
  const config = configs.sort((one, other) => one.split("/").length - other.split("/").length)[0] ?? "config.json";
  const folder = config.slice(0, -"config.json".length);
  const inside = files.filter(({ name }) => name.startsWith(folder) && !name.slice(folder.length).includes("/"));
  return inside.map(({ name, data }) => ({ name: name.slice(folder.length), data }));
}

/** Shards where there is an index, else model.safetensors, else the only file of weights. */
function weightsAmong(files: readonly NamedFile[]): NamedFile[] {
  const weights = files.filter(({ name }) => isWeights(name));
  if (files.some(({ name }) => name === index)) return weights.filter(({ name }) => /-\d+-of-\d+\./.test(name));
  const whole = weights.filter(({ name }) => name === "model.safetensors");
  return whole.length > 0 ? whole : weights;
}

/** Opens a folder in place of the current model, which stays until the other one is whole. */
export async function openFolder(
  session: Guarded<Session>,
  given: readonly NamedFile[],
  progress: (loaded: number, total: number) => void,
): Promise<ModelSummary> {
  const files = besideConfig(given);
  const weights = weightsAmong(files);
  const wanted = [...files.filter(({ name }) => small.includes(name)), ...weights];
  const contents = await Promise.all(
    wanted.map(async ({ name, data }) => {
      if (isWeights(name)) return startOf(data);
      if (data.size > largestSmall)
        throw { code: "file-too-large", name, bytes: data.size, limit: largestSmall } satisfies Problem;
      return new Uint8Array(await data.arrayBuffer());
    }),
  );
  const names = wanted.map(({ name }) => name);
  const totals = Float64Array.from(wanted, ({ data }) => data.size);
  const pieces = await session.use((open) => open.beginPretrained(names, contents, totals));
  const byName = new Map(weights.map(({ name, data }) => [name, data]));
  const total = pieces.reduce((sum, { from, to }) => sum + to - from, 0);
  let loaded = 0;
  try {
    for (const { file, from, to } of pieces) {
      const bytes = new Uint8Array((await byName.get(file)?.slice(from, to).arrayBuffer()) ?? new ArrayBuffer());
      await session.use((open) => open.pushPretrained(bytes));
      loaded += to - from;
      progress(loaded, total);
      await macrotask();
    }
    return await session.use((open) => open.finishPretrained());
  } catch (thrown) {
    await session.use((open) => open.dropPretrained());
    throw thrown;
  }
}
