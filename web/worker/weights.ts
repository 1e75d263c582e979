// Which files of weights make a model: one rule for folders, archives and the hub, that of transformers 5
// (`_get_resolved_checkpoint_files`): model.safetensors if it is there, else exactly the files that the index names. Beyond
// it, a single file or one whole set of shards counts where nothing else says what does.
import type { Problem } from "../shared/errors";

export const weightsIndex = "model.safetensors.index.json";
export const adapterWeights = "adapter_model.safetensors";

/** The crate reads no index with more bytes. */
export const longestIndex = 2 ** 22;

export interface ChosenWeights {
  /** Nothing where there is none, or where nobody could tell which ones count. */
  weights: string[];
  /** Whether it was the index that named them. */
  byIndex: boolean;
  /** Files of weights that do not count. */
  passedOver: string[];
}

/** `names`: of the files in one folder. `indexed`: what the index there names, if there is one that can be read. */
export function chooseWeights(names: readonly string[], indexed: readonly string[] | undefined): ChosenWeights {
  const all = names.filter((name) => name.endsWith(".safetensors") && name !== adapterWeights && !name.includes("/"));
  const choose = (weights: string[], byIndex = false) => ({
    weights,
    byIndex,
    passedOver: all.filter((name) => !weights.includes(name)),
  });
  if (all.includes("model.safetensors")) return choose(["model.safetensors"]);
  if (indexed) return choose([...indexed], true);
  if (all.length === 1 && !shardOf(all[0])) return choose(all);
  const shards = all.map(shardOf);
  const [first] = shards;
  const isOneSet = shards.every((shard) => shard && shard.set === first?.set);
  if (!first || !isOneSet) return choose([]);
  // The crate tells which one is missing.
  return choose(Array.from({ length: Math.min(first.of, 256) }, (_, index) => first.name(index + 1)));
}

/** "model-00001-of-00003.safetensors" as a part of its set. */
function shardOf(name: string | undefined) {
  const [, before = "", number = "", total = ""] = name?.match(/^(.*)-(\d+)-of-(\d+)\.safetensors$/) ?? [];
  if (!total) return undefined;
  const nameOf = (index: number) => `${before}-${String(index).padStart(number.length, "0")}-of-${total}.safetensors`;
  return { set: `${before} ${total}`, of: Number(total), name: nameOf };
}

/** The files that an index names; undefined if it cannot be read, which the crate says better. */
export function namesInIndex(index: string): string[] | undefined {
  try {
    const { weight_map: map } = JSON.parse(index);
    const names = [...new Set(Object.values(map as Record<string, unknown>))];
    const isName = (name: unknown): name is string => typeof name === "string" && /^[^./\\][^/\\]*$/.test(name);
    return names.length > 0 && names.every(isName) ? names.sort() : undefined;
  } catch {
    return undefined;
  }
}

/** Says which weights a model was opened from, if others lay beside them. */
export function passedOverNotice({ weights, passedOver }: ChosenWeights): Problem[] {
  if (passedOver.length === 0 || weights.length === 0) return [];
  return [{ code: "weights-passed-over", used: some(weights), names: some(passedOver) }];
}

const some = (names: readonly string[]) => (names.length > 4 ? [...names.slice(0, 3), `+${names.length - 3}`] : names);
