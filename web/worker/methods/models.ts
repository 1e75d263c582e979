// Implements the calls about models: planned, created, opened, and saved in the browser.
import type { HalfPrecision, ModelConfig, Session } from "lorito-wasm";
import type { Problem } from "../../shared/errors";
import { part } from "../../shared/part";
import type { NewModel, WorkerApi } from "../../shared/protocol";
import { download } from "../download";
import { current, emit, engine, exclusively, refuseWhileTraining, underWay } from "../engine";
import { checkConfig, checkHeader, openAny, openModel } from "../opening";
import { compileAhead, tuned } from "../precompile";
import * as storage from "../storage";
import { saveAgain } from "./runs";

/** What was measured of this machine, once it has been. */
export const measured: {
  /** Speed for estimates. */
  gigaflops?: number;
  /** The result of the check of half precision. */
  halfPrecision?: HalfPrecision;
} = {};

/** Models of the Llama family need the deferred part of the wasm. */
const loadFor = async ({ family }: NewModel) => {
  if (family === "llama") await current.deferred?.load();
};

/** A preset with the user's changes, and the tokenizer's vocabulary. */
function modelConfig(session: Session, { preset = "tiny", family, seed: _, ...given }: NewModel): ModelConfig {
  const presets = session.presets();
  const base = presets.find(({ name }) => name === preset);
  if (!base) throw { code: "preset-unknown", preset, known: presets.map(({ name }) => name) } satisfies Problem;
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const config = { ...base.model, ...Object.fromEntries(set) };
  return family === "llama" ? session.asLlama(config) : config;
}

export const models = {
  planModel: async (model, config) => {
    if (!current.control) await tuned();
    await loadFor(model);
    const { engine: kind, session, gpu } = engine();
    return session.use(async (open) => {
      const shape = modelConfig(open, model);
      // A GPU's speed depends on the size of its work; a CPU's does not.
      const depends = kind === "webgpu" && gpu !== undefined;
      if (!current.control && (depends || measured.gigaflops === undefined))
        measured.gigaflops = await open.measure(shape, config);
      return open.planModel(shape, config);
    });
  },

  planForTime: async (seconds, chosen) => {
    if (!current.control) await tuned();
    await loadFor({ family: chosen.llama ? "llama" : "gpt2" });
    return engine().session.use((open) => open.planForTime(seconds, chosen));
  },

  checkHalfPrecision: async () => {
    await tuned();
    measured.halfPrecision ??= await exclusively((session) => session.checkHalfPrecision());
    return measured.halfPrecision;
  },

  compileAhead: async (model, config) => {
    await loadFor(model);
    const shape = await engine().session.use((session) => modelConfig(session, model));
    await compileAhead(shape, config);
  },

  createModel: async (model) => {
    await tuned();
    await loadFor(model);
    const made = await exclusively((session) => session.createModel(modelConfig(session, model), model.seed ?? 1337));
    engine().saver.modelChanged();
    void compileAhead(made.config, {});
    return made;
  },

  importModel: (call, source) => underWay.watch(call, ({ signal }) => openAny(call, source, signal)),

  importFromUrl: (call, url) =>
    underWay.watch(call, async (watch) => {
      refuseWhileTraining();
      const file = await download(url, checkHeader, watch);
      return { model: await openModel(file), file };
    }),

  openHubModel: (call, place) =>
    underWay.watch(call, async (watch) => {
      refuseWhileTraining();
      const { fetchModel } = await part(import("../hub/model"));
      const { files, unkept, notices } = await fetchModel(place, { ...watch, arrived: checkConfig });
      for (const notice of notices) emit({ event: "notice", call, notice });
      return { summary: await openAny(call, files, watch.signal), files, unkept };
    }),

  mergeAdapter: async () => {
    const model = await exclusively((session) => session.mergeAdapter());
    engine().saver.modelChanged();
    return model;
  },

  savedModels: () => storage.stored(storage.savedModels()),

  saveModel: async (name) => {
    const title = storage.clean(name);
    const bytes = await engine().session.use((session) => session.exportSafetensors(title));
    return storage.saveModel(title, bytes);
  },

  renameModel: storage.renameModel,

  deleteModel: async (name) => {
    await storage.deleteModel(name);
    engine().saver.retry();
    await saveAgain();
  },

  savedModelFile: (name) => storage.stored(storage.savedModelFile(name)),
} satisfies Partial<WorkerApi>;
