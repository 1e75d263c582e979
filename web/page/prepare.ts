// Starts training from the settings: creates the tokenizer and the model first if they are missing.

import type { RunSummary, TextSummary, TokenizerKind } from "../api/lorito";
import { problemOf } from "../shared/errors";
import { SETTINGS } from "../shared/settings";
import { t } from "./i18n";
import { MODEL_FIELDS, type Shape } from "./settings";
import type { Busy, Store } from "./state";
import { planTime } from "./time-plan";

/** The longest training time of a suggested preset: a beginner's first run should end while they still watch. */
const PATIENCE_SECONDS = 240;

/** The input of the current tokenizer, to check whether it still matches the settings and the text. */
let tokenized: { text: TextSummary | undefined; kind: string; vocabulary: number | undefined } | undefined;

/** The vocabulary size that the settings lead to, before a tokenizer has been trained. */
export function expectedVocabulary(store: Store): number {
  const { tokenizer, text } = store.state;
  const kind = store.tokenizerKind;
  if (tokenizer && (store.canContinue || tokenizer.kind === kind)) return tokenizer.vocabulary;
  if (kind === "bpe") return wantedTokenizer(store).vocabulary ?? SETTINGS.tokenizer.vocabulary.default;
  return 1 + (kind === "byte" ? 256 : (text?.distinctCharacters ?? 64));
}

/** The tokenizer that the settings specify. */
export function wantedTokenizer(store: Store): { kind: TokenizerKind; vocabulary: number | undefined } {
  const { settings } = store.state;
  const kind = store.tokenizerKind;
  return { kind, vocabulary: kind === "bpe" ? (settings.vocabulary ?? store.suggestedVocabulary) : undefined };
}

export async function trainTokenizer(store: Store): Promise<void> {
  const { text } = store.state;
  const { kind, vocabulary } = wantedTokenizer(store);
  await store.lorito.trainTokenizer({ kind, vocabSize: vocabulary });
  tokenized = { text, kind, vocabulary };
}

function tokenizerFits(store: Store): boolean {
  const { tokenizer, text } = store.state;
  if (!tokenizer || !tokenized) return false;
  const { kind, vocabulary } = wantedTokenizer(store);
  return tokenized.text === text && tokenized.kind === kind && tokenized.vocabulary === vocabulary;
}

/** Creates a model, and its tokenizer unless it still matches the settings and the text. */
async function makeModel(
  store: Store,
  { model, family, train }: Shape,
  begin: (task: Busy["task"]) => void,
): Promise<void> {
  if (!tokenizerFits(store)) {
    begin("tokenizing");
    await trainTokenizer(store);
  }
  begin("making");
  await store.lorito.createModel({ ...model, family, seed: train.seed });
  store.change({ modelOrigin: "made" });
}

/** Asks for confirmation before an unsaved model is replaced. */
export function mayReplace(store: Store): boolean {
  return !store.lorito.unsaved || confirm(t("unsaved.replace"));
}

/** Trains: continues with the current model, or, with `over`, starts with a new one. */
export async function startTraining(store: Store, { over = false } = {}): Promise<void> {
  store.clearErrors("train");
  store.change({ lastRun: undefined });
  const pressed = performance.now();
  const shape = await store.attempt("train", { task: "making" }, async (update) => {
    await planTime(store);
    const { shape } = store;
    if (!shape) throw { code: "engine-starting" };
    if (over || !store.canContinue) {
      if (!store.state.text) throw { code: "no-text" };
      await makeModel(store, shape, (task) => update({ task }));
    }
    return shape;
  });
  if (shape) await store.attempt("train", undefined, () => store.lorito.train(leftOf(shape.train, pressed)));
}

/** The settings of a run for which the time has been running since `pressed`. */
function leftOf(train: Shape["train"], pressed: number): Shape["train"] {
  if (train.timeLimit === undefined) return train;
  const left = train.timeLimit - (performance.now() - pressed) / 1000;
  return { ...train, timeLimit: Math.max(1, left) };
}

/** Restores a saved run, and continues it if it was interrupted. */
export async function goOn(store: Store, { run, step, endStep }: RunSummary): Promise<void> {
  if (store.lorito.openRunId !== run && !mayReplace(store)) return;
  store.clearErrors("train");
  store.change({ lastRun: undefined });
  const { lorito } = store;
  await store.attempt("train", undefined, () =>
    openingRun<unknown>(store, () => (step < endStep ? lorito.continueRun({ run }) : lorito.restoreRun(run))),
  );
}

/** Opens a run's model: it can be trained with the run's own tokens, without a text. */
export async function openingRun<T>(store: Store, open: () => Promise<T>): Promise<T> {
  const stop = store.lorito.on("model", () => store.change({ modelOrigin: "run" }));
  return open().finally(stop);
}

/** Switches to the CPU engine, and continues the run there if the GPU has `cut` it off. */
export async function goOnWithCpu(store: Store, cut: boolean): Promise<void> {
  const { lorito } = store;
  store.clearErrors("train");
  await store.attempt("train", undefined, async () => {
    await lorito.changeEngine("cpu");
    // Text, tokenizer and model are restored, and so is a run in training.
    const run = lorito.openRunId;
    if (cut && run !== undefined) await lorito.continueRun({ run });
  });
}

/** Updates the costs when the settings change, and suggests a preset until the user has chosen one. */
export function keepPlanning(store: Store): void {
  let planned = "";
  let suggestedFor = "";
  let planning = false;

  const plan = async () => {
    const { shape } = store;
    if (!shape || planning || store.state.tasks.some(({ task }) => task === "making")) return;
    // An opened model is trained as it is, whatever the settings say.
    const there = store.state.modelOrigin === "given" ? store.state.model?.config : undefined;
    const { family } = shape;
    const model = { ...(there ?? { ...shape.model, family }), vocabulary: expectedVocabulary(store) };
    const { text, tokenizer, ready } = store.state;
    const about = [text?.characters, tokenizer?.trainTokens, ready?.engine, store.state.settings.halfPrecision];
    const key = JSON.stringify([model, shape.train, about]);
    if (key === planned) return;
    planned = key;
    planning = true;
    try {
      if (store.state.settings.halfPrecision && store.state.halfPrecision === undefined) {
        store.change({ halfPrecision: await store.lorito.checkHalfPrecision() });
      }
      await suggest();
      await planTime(store);
      store.change({ plan: await store.lorito.planModel(model, shape.train), planReport: undefined });
      // Once there is a text, training with these settings is likely.
      if (text) await store.lorito.compileAhead(model, shape.train);
    } catch (error) {
      store.change({ plan: undefined, planReport: problemOf(error) });
    } finally {
      planning = false;
      void plan();
    }
  };

  const suggest = async () => {
    const { presets, settings, model, text } = store.state;
    const { family } = settings;
    const vocabulary = expectedVocabulary(store);
    const key = JSON.stringify([vocabulary, family]);
    if (settings.preset || model || !text || key === suggestedFor) return;
    suggestedFor = key;
    let best = presets[0]?.name;
    for (const preset of presets) {
      const costs = await store.lorito
        .planModel({ ...preset.model, family, vocabulary }, preset.train)
        .catch(() => ({ seconds: Number.POSITIVE_INFINITY }));
      if (costs.seconds <= PATIENCE_SECONDS) best = preset.name;
    }
    if (best) store.change({ suggested: { ...store.state.suggested, preset: best } });
  };

  store.addEventListener("change", () => void plan());
}

/** Whether the text has changed since the tokenizer was trained, and no model depends on it yet. */
export function tokenizerIsStale(store: Store): boolean {
  return tokenized !== undefined && store.state.text !== tokenized.text && !store.canContinue;
}

/** Whether the settings describe a model other than the current one. */
export function modelDiffers(store: Store): boolean {
  const { model, modelOrigin } = store.state;
  const shape = store.shape;
  // An opened model has its own shape.
  if (!model || !shape || modelOrigin === "given") return false;
  const family = model.config.variant?.llama ? "llama" : "gpt2";
  return (
    family !== shape.family || MODEL_FIELDS.some((field) => Math.abs(model.config[field] - shape.model[field]) > 1e-6)
  );
}
