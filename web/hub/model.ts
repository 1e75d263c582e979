// A model by its name on the hub: which of its files are needed, and how they come. Runs in the worker.
import type { Problem } from "../errors";
import { tokenizerDescriptions } from "../kinds";
import type { HubTransfer, NamedFile } from "../protocol";
import {
  adapterWeights,
  type ChosenWeights,
  chooseWeights,
  longestIndex,
  namesInIndex,
  passedOverNotice,
  weightsIndex,
} from "../weights";
import { commitOf, filesOf } from "./ask";
import { forgetPlace, Shelf } from "./cache";
import { hostOf } from "./place";
import { smallFile, transfer, type Watch } from "./transfer";
import type { HubFile, HubPlace } from "./types";

/** Bytes that a model's files may have together: WebAssembly addresses no more. */
const largest = 2 ** 32;

const described = ["config.json", ...tokenizerDescriptions];
/** Weights in forms that are not opened: some can run programs, others are of other makers. */
const otherWeights = /\.(bin|h5|msgpack|onnx|ot|pt|pth|ckpt|gguf|tflite)$/i;

/**
 * The files that make the model, small ones first. `indexed`: what the index of the weights names, if there is one. Throws if
 * there are no weights that can be opened.
 */
export function neededFiles(place: HubPlace, all: readonly HubFile[], indexed?: readonly string[]): HubFile[] {
  const has = (path: string) => all.some((file) => file.path === path);
  const isAdapter = has("adapter_config.json") && has(adapterWeights);
  const adapter = isAdapter ? ["adapter_config.json", adapterWeights] : [];
  const { weights, byIndex } = weightsOf(all, indexed);
  const about = { name: place.name, host: hostOf(place) };
  if (weights.length === 0 && !isAdapter) {
    const found = all.map(({ path }) => path).filter((path) => otherWeights.test(path));
    if (found.length === 0) throw { code: "hub-no-model", ...about } satisfies Problem;
    throw { code: "hub-no-safetensors", ...about, found: found.slice(0, 6) } satisfies Problem;
  }
  const lost = weights.find((path) => !has(path));
  if (lost) throw { code: "hub-file-missing", ...about, file: lost } satisfies Problem;
  const tokenizer = has("tokenizer.json") ? ["tokenizer.json"] : ["vocab.json", "merges.txt"];
  // A file of Lorito's own has all of it inside.
  const beside = [...described, ...tokenizer, ...(byIndex ? [weightsIndex] : [])];
  const small = has("config.json") && weights.length > 0 ? beside : [];
  const wanted = [...small, ...weights, ...adapter];
  const isWeights = ({ path }: HubFile) => path.endsWith(".safetensors");
  const needed = all.filter(({ path }) => wanted.includes(path));
  const bytes = needed.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > largest) throw { code: "hub-too-large", name: place.name, bytes, limit: largest } satisfies Problem;
  return [...needed.filter((file) => !isWeights(file)), ...needed.filter(isWeights)];
}

function weightsOf(all: readonly HubFile[], indexed: readonly string[] | undefined): ChosenWeights {
  return chooseWeights(
    all.map(({ path }) => path),
    indexed,
  );
}

/** What the index of the weights names, where it is needed. It is read before anything is kept, as it says what will be. */
async function indexOf(place: HubPlace, commit: string, all: readonly HubFile[], signal: AbortSignal) {
  const index = all.find(({ path }) => path === weightsIndex);
  if (!index || index.bytes > longestIndex || all.some(({ path }) => path === "model.safetensors")) return undefined;
  return namesInIndex(await (await smallFile(place, commit, index, signal)).text());
}

/** The files of a model. What is kept of it is taken as it is, and nothing is asked for. */
export async function fetchModel(place: HubPlace, watch: Watch): Promise<HubTransfer & { notices: Problem[] }> {
  const kept = await Shelf.at(place)
    .then((shelf) => shelf.all())
    .catch(() => undefined);
  if (kept) return { files: kept.map(({ file, data }) => ({ name: file.path, data })), unkept: undefined, notices: [] };
  const commit = await commitOf(place, watch.signal);
  const all = await filesOf(place, commit, false, watch.signal);
  const indexed = await indexOf(place, commit, all, watch.signal);
  const needed = neededFiles(place, all, indexed);
  const arrived = async (file: NamedFile) => {
    await watch.arrived?.(file).catch(async (thrown) => {
      // What cannot be opened is not worth keeping; where nothing is kept, there is nothing to forget.
      await forgetPlace(place).catch(() => {});
      throw thrown;
    });
  };
  const notices = passedOverNotice(weightsOf(all, indexed));
  return { ...(await transfer(place, commit, needed, { ...watch, arrived })), notices };
}
