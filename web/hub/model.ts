// A model by its name on the hub: which of its files are needed, and how they come. Runs in the worker.
import type { Problem } from "../errors";
import type { HubTransfer, NamedFile } from "../protocol";
import { commitOf, filesOf } from "./ask";
import { forgetPlace, Shelf } from "./cache";
import { hostOf } from "./place";
import { transfer, type Watch } from "./transfer";
import type { HubFile, HubPlace } from "./types";

/** Bytes that a model's files may have together: WebAssembly addresses no more. */
const largest = 2 ** 32;

const index = "model.safetensors.index.json";
const described = [
  "config.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "generation_config.json",
  "chat_template.jinja",
];
/** Weights in forms that are not opened: some can run programs, others are of other makers. */
const otherWeights = /\.(bin|h5|msgpack|onnx|ot|pt|pth|ckpt|gguf|tflite)$/i;

/** The files that make the model, small ones first. Throws if there are no weights that can be opened. */
export function neededFiles(place: HubPlace, all: readonly HubFile[]): HubFile[] {
  const has = (path: string) => all.some((file) => file.path === path);
  const weights = weightsAmong(all);
  if (weights.length === 0) {
    const found = all.map(({ path }) => path).filter((path) => otherWeights.test(path));
    const about = { name: place.name, host: hostOf(place) };
    if (found.length === 0) throw { code: "hub-no-model", ...about } satisfies Problem;
    throw { code: "hub-no-safetensors", ...about, found: found.slice(0, 6) } satisfies Problem;
  }
  const sharded = weights.length > 1 ? [index] : [];
  const tokenizer = has("tokenizer.json") ? ["tokenizer.json"] : ["vocab.json", "merges.txt"];
  // An adapter needs no more than its own description, and a file of Lorito's own has all of it inside.
  const small = has("config.json") ? [...described, ...tokenizer, ...sharded] : ["adapter_config.json"];
  const needed = [...all.filter(({ path }) => small.includes(path)), ...weights];
  const bytes = needed.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > largest) throw { code: "hub-too-large", name: place.name, bytes, limit: largest } satisfies Problem;
  return needed;
}

/** model.safetensors; or its shards, where there is an index; or the only file of weights, whatever it is called. */
function weightsAmong(all: readonly HubFile[]): HubFile[] {
  const weights = all.filter(({ path }) => path.endsWith(".safetensors") && !path.includes("/"));
  const whole = weights.filter(({ path }) => path === "model.safetensors");
  if (whole.length > 0) return whole;
  const shards = weights.filter(({ path }) => /^model-\d+-of-\d+\.safetensors$/.test(path));
  if (shards.length > 0 && all.some(({ path }) => path === index)) return shards;
  return weights.length === 1 ? weights : [];
}

/** The files of a model. What is kept of it is taken as it is, and nothing is asked for. */
export async function fetchModel(place: HubPlace, watch: Watch): Promise<HubTransfer> {
  const kept = await Shelf.at(place)
    .then((shelf) => shelf.all())
    .catch(() => undefined);
  if (kept) return { files: kept.map(({ file, data }) => ({ name: file.path, data })), unkept: undefined };
  const commit = await commitOf(place, watch.signal);
  const needed = neededFiles(place, await filesOf(place, commit, false, watch.signal));
  const arrived = async (file: NamedFile) => {
    await watch.arrived?.(file).catch(async (thrown) => {
      // What cannot be opened is not worth keeping; where nothing is kept, there is nothing to forget.
      await forgetPlace(place).catch(() => {});
      throw thrown;
    });
  };
  return transfer(place, commit, needed, { ...watch, arrived });
}
