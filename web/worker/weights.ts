// Chooses the weight files of a model: one rule for folders, archives and the hub, that of transformers 5
// (`_get_resolved_checkpoint_files`): model.safetensors if it exists, else exactly the files that the index names. In
// addition, without either, a single file or one complete set of shards is accepted.
import type { Problem } from "../shared/errors";

export const weightsIndex = "model.safetensors.index.json";
export const adapterWeights = "adapter_model.safetensors";

/** The largest index that the crate reads, in bytes. */
export const longestIndex = 2 ** 22;

export interface ChosenWeights {
  /** Empty if there are none, or if the choice is ambiguous. */
  weights: string[];
  /** Whether the index named them. */
  byIndex: boolean;
  /** The other weight files. */
  passedOver: string[];
}

/** `names`: of the files in one folder. `indexed`: the files that its index names, if it can be read. */
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
  // The crate reports a missing shard.
  return choose(Array.from({ length: Math.min(first.of, 256) }, (_, index) => first.name(index + 1)));
}

/** Parses "model-00001-of-00003.safetensors" as a part of its set. */
function shardOf(name: string | undefined) {
  const [, before = "", number = "", total = ""] = name?.match(/^(.*)-(\d+)-of-(\d+)\.safetensors$/) ?? [];
  if (!total) return undefined;
  const nameOf = (index: number) => `${before}-${String(index).padStart(number.length, "0")}-of-${total}.safetensors`;
  return { set: `${before} ${total}`, of: Number(total), name: nameOf };
}

/** The files that an index names; undefined if it is invalid, for which the crate has a better error. */
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

/** A notice about the weights that a model was opened from, if its folder has others. */
export function passedOverNotice({ weights, passedOver }: ChosenWeights): Problem[] {
  if (passedOver.length === 0 || weights.length === 0) return [];
  return [{ code: "weights-passed-over", used: some(weights), names: some(passedOver) }];
}

const some = (names: readonly string[]) => (names.length > 4 ? [...names.slice(0, 3), `+${names.length - 3}`] : names);
