// Holds the user's settings, and encodes them in the address after "#": a preset's name and the changed values.
// The text is never included: a link to settings says nothing about the training data.
import type { ModelConfig, ModelSummary, Preset, TokenizerKind, TrainConfig } from "../api/lorito";
import { MODEL_FAMILIES, type ModelFamily } from "../shared/protocol";
import { SETTINGS, TARGETS } from "../shared/settings";

type OfModel = keyof typeof SETTINGS.model;
/** Fields of a new model; its vocabulary is the tokenizer's, and its epsilon GPT-2's. */
export type ModelField = Exclude<OfModel, "vocabulary" | "epsilon">;
export type TrainField = keyof typeof SETTINGS.train;
export type Field = ModelField | TrainField;

const isModelField = (field: OfModel): field is ModelField => field !== "vocabulary" && field !== "epsilon";
export const MODEL_FIELDS = (Object.keys(SETTINGS.model) as OfModel[]).filter(isModelField);
export const TRAIN_FIELDS = Object.keys(SETTINGS.train) as TrainField[];

export type Target = keyof typeof TARGETS;
export const TARGET_NAMES = Object.keys(TARGETS) as Target[];

/** The settings of an adapter. */
export interface Lora {
  rank: number;
  alpha: number;
  targets: Record<Target, boolean>;
}

export const DEFAULT_LORA: Lora = {
  rank: SETTINGS.adapter.rank.default,
  alpha: SETTINGS.adapter.alpha.default,
  targets: { ...TARGETS },
};

export const TOKENIZER_KINDS = ["char", "byte", "bpe"] as const satisfies readonly TokenizerKind[];

export interface Settings {
  /** Unset: chosen from the text's length. */
  tokenizer?: TokenizerKind;
  /** Size of a BPE vocabulary. Unset: as the crate suggests for this text. */
  vocabulary?: number;
  /** Unset: chosen by the estimated training time on this machine. */
  preset?: string;
  /** How long training may take; the steps follow from it. Unset: by hand, as many steps as the settings say. */
  minutes?: number;
  /** The architecture of a new model. Unset: GPT-2. */
  family?: ModelFamily;
  /** Whether the user wants half precision; it is used only if the engine's own check succeeds. */
  halfPrecision?: boolean;
  /** Trains an adapter instead of the whole model. */
  lora?: Lora;
  /** Differences from the preset. */
  changed: Partial<Record<Field, number>>;
}

/** The settings of training that a run may lack. */
type Optional = "lora" | "timeLimit" | "decay" | "order";

export interface Shape {
  model: Omit<ModelConfig, "vocabulary">;
  family: ModelFamily;
  train: Required<Omit<TrainConfig, Optional>> & Pick<TrainConfig, Optional>;
}

/**
 * A preset with the user's changes; one seed determines the batches and the initial weights. `foreign`: the model to be
 * trained, if it was trained elsewhere.
 */
export function shapeOf(
  preset: Preset,
  { changed, family = "gpt2", halfPrecision = false, lora, minutes }: Settings,
  foreign?: ModelSummary,
): Shape {
  const { vocabulary: _, ...model } = preset.model;
  const shape: Shape = { model: { ...model }, family, train: { ...(preset.train as Shape["train"]) } };
  for (const field of MODEL_FIELDS) shape.model[field] = changed[field] ?? shape.model[field];
  // On small devices a preset uses gradient accumulation (`Preset::fitted` in the crate), which belongs to its own batch size.
  const passes = changed.batchSize === undefined ? {} : { gradientAccumulation: 1 };
  const suited = foreign?.fineTuning[lora ? "adapter" : "whole"];
  const train: Partial<Record<TrainField, number>> = suited ?? passes;
  for (const field of TRAIN_FIELDS) shape.train[field] = changed[field] ?? train[field] ?? shape.train[field] ?? 0;
  shape.train.halfPrecision = halfPrecision;
  if (lora) shape.train.lora = lora;
  // Steps set by hand are taken, however long they take.
  delete shape.train.timeLimit;
  if (minutes !== undefined && changed.steps === undefined) shape.train.timeLimit = 60 * minutes;
  return shape;
}

export function toHash(settings: Settings): string {
  const query = new URLSearchParams();
  if (settings.tokenizer) query.set("tokenizer", settings.tokenizer);
  if (settings.vocabulary !== undefined) query.set("vocabulary", String(settings.vocabulary));
  if (settings.preset) query.set("preset", settings.preset);
  if (settings.minutes !== undefined) query.set("minutes", String(settings.minutes));
  if (settings.family) query.set("family", settings.family);
  if (settings.halfPrecision) query.set("halfPrecision", "1");
  if (settings.lora) query.set("lora", loraToText(settings.lora));
  for (const [field, value] of Object.entries(settings.changed)) query.set(field, String(value));
  return query.toString();
}

/** Parses an address's hash. Unknown settings and invalid numbers are ignored; the crate checks the ranges. */
export function fromHash(hash: string): Settings {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const settings: Settings = { changed: {} };
  const kind = TOKENIZER_KINDS.find((known) => known === query.get("tokenizer"));
  if (kind) settings.tokenizer = kind;
  const preset = query.get("preset");
  if (preset) settings.preset = preset;
  const family = MODEL_FAMILIES.find((known) => known === query.get("family"));
  if (family) settings.family = family;
  if (query.get("halfPrecision") === "1") settings.halfPrecision = true;
  const numberAt = (name: string) => {
    const text = query.get(name);
    const value = Number(text);
    return text && Number.isFinite(value) ? value : undefined;
  };
  const lora = loraFromText(query.get("lora"));
  if (lora) settings.lora = lora;
  const minutes = numberAt("minutes");
  if (minutes !== undefined && minutes > 0) settings.minutes = minutes;
  const vocabulary = numberAt("vocabulary");
  if (vocabulary !== undefined) settings.vocabulary = vocabulary;
  for (const field of [...MODEL_FIELDS, ...TRAIN_FIELDS]) {
    const value = numberAt(field);
    if (value !== undefined) settings.changed[field] = value;
  }
  return settings;
}

/** Rank, alpha and target matrices: "8:16:attention.mlp". */
function loraToText({ rank, alpha, targets }: Lora): string {
  return [rank, alpha, TARGET_NAMES.filter((target) => targets[target]).join(".")].join(":");
}

function loraFromText(text: string | null): Lora | undefined {
  const [rank, alpha, names] = (text ?? "").split(":");
  if (!(Number(rank) >= 1) || !(Number(alpha) > 0) || names === undefined) return undefined;
  const chosen = new Set(names.split("."));
  const targets = Object.fromEntries(TARGET_NAMES.map((target) => [target, chosen.has(target)])) as Lora["targets"];
  return { rank: Math.round(Number(rank)), alpha: Number(alpha), targets };
}
