// Chooses the files of a repository that make the model.
import type { Problem } from "../../shared/errors";
import { hostOf } from "../../shared/hub/place";
import type { HubFile, HubPlace } from "../../shared/hub/types";
import { isGguf, isWeights, tokenizerDescriptions } from "../../shared/kinds";
import { adapterWeights, type ChosenWeights, chooseWeights, indexAmong } from "../weights";

/** Largest total size of a model's files, in bytes: WebAssembly cannot address more. */
const largest = 2 ** 32;

const described = ["config.json", ...tokenizerDescriptions];
/** Weight formats that are not supported, or of which several are there: nothing says which one is wanted. */
const otherWeights = /\.(bin|h5|msgpack|onnx|ot|pt|pth|ckpt|gguf|tflite)$/i;

/**
 * The files that make the model, small ones first. `indexed`: the files that the weight index names, if there is one.
 * Throws if there are no weights that can be opened.
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
  const index = indexAmong(all.map(({ path }) => path));
  const beside = [...described, ...tokenizer, ...(byIndex && index ? [index] : [])];
  // Lorito's own file and llama.cpp's are self-contained.
  const small = has("config.json") && weights.length > 0 && !weights.some(isGguf) ? beside : [];
  const wanted = [...small, ...weights, ...adapter];
  const needed = all.filter(({ path }) => wanted.includes(path));
  const bytes = needed.reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > largest) throw { code: "hub-too-large", name: place.name, bytes, limit: largest } satisfies Problem;
  return [...needed.filter(({ path }) => !isWeights(path)), ...needed.filter(({ path }) => isWeights(path))];
}

/** Chooses the files that contain the weights. */
export function weightsOf(all: readonly HubFile[], indexed: readonly string[] | undefined): ChosenWeights {
  return chooseWeights(
    all.map(({ path }) => path),
    indexed,
  );
}
