// Chooses the weight files of a model: one rule for folders, archives and the hub, that of transformers 5
// (`_get_resolved_checkpoint_files`): model.safetensors if it exists, else exactly the files that the index names; the same
// with PyTorch's files where there are no safetensors. In addition, without either, a single file or one complete set of
// shards is accepted, and a single GGUF file where there is nothing else.
import type { Problem } from "../shared/errors";

export const adapterWeights = "adapter_model.safetensors";

/** The forms of weights, the preferred one first: the name of a whole model's file, and all names. */
const forms = [
  { whole: "model.safetensors", all: /^[^/]+\.safetensors$/ },
  { whole: "pytorch_model.bin", all: /^pytorch_model[^/]*\.bin$/ },
  { whole: "model.gguf", all: /^[^/]+\.gguf$/i },
];

export const weightsIndices: readonly string[] = forms.map(({ whole }) => `${whole}.index.json`);

/** The first form of which there is a file, or an index. */
function formOf(names: readonly string[]) {
  const has = ({ whole, all }: (typeof forms)[number]) =>
    names.includes(`${whole}.index.json`) || names.some((name) => all.test(name) && name !== adapterWeights);
  return forms.find(has);
}

/** The name of the index that says which of these files are the model's, if one does. */
export function indexAmong(names: readonly string[]): string | undefined {
  const { whole } = formOf(names) ?? {};
  // Beside a whole model's file, an index is left from another save and does not describe this file.
  if (!whole || names.includes(whole)) return undefined;
  return names.find((name) => name === `${whole}.index.json`);
}

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
  const { whole = "", all: ofForm } = formOf(names) ?? {};
  const all = names.filter((name) => ofForm?.test(name) && name !== adapterWeights);
  const choose = (weights: string[], byIndex = false) => ({
    weights,
    byIndex,
    passedOver: all.filter((name) => !weights.includes(name)),
  });
  if (all.includes(whole)) return choose([whole]);
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
  const [, before = "", number = "", total = "", ending = ""] = name?.match(/^(.*)-(\d+)-of-(\d+)(\.[a-z]+)$/i) ?? [];
  if (!total) return undefined;
  const nameOf = (index: number) => `${before}-${String(index).padStart(number.length, "0")}-of-${total}${ending}`;
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
