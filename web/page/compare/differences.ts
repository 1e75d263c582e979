// Lists the differences between runs, and converts a run's settings into the page's.
import type { Preset, RunRecord, TokenizerKind, TrainConfig } from "../../api/lorito";
import { duration, fixed, list, number, settingName, t } from "../i18n";
import {
  DEFAULT_LORA,
  type Lora,
  MODEL_FIELDS,
  type Settings,
  TARGET_NAMES,
  TOKENIZER_KINDS,
  TRAIN_FIELDS,
} from "../settings";

export interface Row {
  name: string;
  /** One value per run. */
  values: string[];
}

/** Rows of the settings and texts that differ between the runs, and of their results. */
export function rowsOf(records: readonly RunRecord[]): { differing: Row[]; results: Row[] } {
  const row = (name: string, value: (record: RunRecord) => string): Row => ({ name, values: records.map(value) });
  const settings = [
    row(t("compare.text"), textOf(records)),
    row(t("tokens.title"), tokenizerOf),
    ...MODEL_FIELDS.map((field) => row(settingName(field), ({ model }) => number(model[field]))),
    ...TRAIN_FIELDS.map((field) => row(settingName(field), ({ train }) => numberOf(train[field]))),
    row(t("setting.halfPrecision"), ({ train }) => t(train.halfPrecision ? "compare.yes" : "compare.no")),
    row("LoRA", ({ train }) => loraOf(train)),
    row(t("compare.engine"), ({ engine }) => t(engine === "webgpu" ? "compare.webgpu" : "compare.cpu")),
  ];
  const last = ({ evaluations }: RunRecord) => evaluations.at(-1);
  const results = [
    row(t("figure.step"), ({ step }) => number(step)),
    row(t("figure.elapsed"), ({ seconds }) => duration(seconds)),
    row(t("compare.tokens"), ({ tokens }) => number(tokens)),
    row(t("model.figure.parameters"), ({ parameters }) => number(parameters)),
    row(t("figure.trainLoss"), (record) => lossOf(last(record)?.trainLoss)),
    row(t("figure.validationLoss"), (record) => lossOf(last(record)?.validationLoss)),
    row(t("figure.bitsPerByte"), (record) => lossOf(last(record)?.bitsPerByte)),
  ];
  return { differing: settings.filter(({ values }) => new Set(values).size > 1), results };
}

export function lossOf(value: number | null | undefined): string {
  return value == null ? "–" : fixed(value, 3);
}

function numberOf(value: unknown): string {
  return typeof value === "number" ? number(value) : "–";
}

/** Labels texts by name and length; different texts with the same label get the beginning of their hash. */
function textOf(records: readonly RunRecord[]): (record: RunRecord) => string {
  const named = ({ text: { name, characters } }: RunRecord) =>
    characters === undefined ? name : t("compare.textOf", { name, count: characters });
  return (record) => {
    const alike = records.filter((other) => named(other) === named(record));
    const { hash } = record.text;
    const same = alike.every(({ text }) => text.hash === hash);
    return same || !hash ? named(record) : `${named(record)} #${hash.slice(0, 4)}`;
  };
}

function tokenizerOf({ tokenizer: { kind, vocabulary } }: RunRecord): string {
  const name = kindOf(kind);
  return name ? `${t(`tokens.${name}`)}, ${number(vocabulary)}` : number(vocabulary);
}

function kindOf(kind: string | undefined): TokenizerKind | undefined {
  return TOKENIZER_KINDS.find((known) => known === kind);
}

function loraOf({ lora }: TrainConfig): string {
  if (!lora) return "–";
  const { rank, alpha, targets } = { ...DEFAULT_LORA, ...lora };
  return list([
    `${t("setting.rank")} ${number(rank)}`,
    `${t("setting.alpha")} ${number(alpha)}`,
    ...TARGET_NAMES.filter((target) => targets?.[target]).map((target) => t(`lora.${target}`)),
  ]);
}

/** The page's settings that reproduce a run: the preset with the most equal values, and the differences from it. */
export function settingsOf({ tokenizer, model, train }: RunRecord, presets: readonly Preset[]): Settings {
  const kind = kindOf(tokenizer.kind);
  const changes = (preset: Preset): Settings["changed"] => {
    const changed: Settings["changed"] = {};
    for (const field of MODEL_FIELDS) if (preset.model[field] !== model[field]) changed[field] = model[field];
    for (const field of TRAIN_FIELDS) {
      const value = train[field];
      if (typeof value === "number" && preset.train[field] !== value) changed[field] = value;
    }
    return changed;
  };
  const [nearest] = presets
    .map((preset) => ({ preset: preset.name, changed: changes(preset) }))
    .sort((one, other) => Object.keys(one.changed).length - Object.keys(other.changed).length);
  return {
    ...(kind ? { tokenizer: kind } : {}),
    ...(kind === "bpe" ? { vocabulary: tokenizer.vocabulary } : {}),
    ...(train.halfPrecision ? { halfPrecision: true } : {}),
    ...(train.lora ? { lora: { ...DEFAULT_LORA, ...train.lora } as Lora } : {}),
    ...nearest,
    changed: nearest?.changed ?? {},
  };
}
