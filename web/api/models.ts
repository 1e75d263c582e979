// The part of the public API that creates, opens and exports models.
import type {
  Chosen,
  HalfPrecision,
  ModelSummary,
  OpeningCost,
  Plan,
  Preset,
  TimePlan,
  TrainConfig,
} from "lorito-wasm";
import { LoritoError, orNone, type Problem } from "../shared/errors";
import { webAddress } from "../shared/hub/place";
import type { ExportKind, NamedFile, NewModel, SavedModel } from "../shared/protocol";
import { given } from "./given";
import { OwnRuns } from "./own-runs";
import type { ExportOptions, OpenedModel } from "./types";

export class Models extends OwnRuns {
  presets(): Promise<Preset[]> {
    return this.owner.ask((api) => api.plain("presets"));
  }

  /** The memory and time that a model and its training would take. Rejects if they are impossible. */
  planModel(model: NewModel & { vocabulary?: number }, train: Partial<TrainConfig>): Promise<Plan> {
    return this.owner.ask((api) => api.planModel(model, { ...given(train), shards: train.shards ?? 0 } as TrainConfig));
  }

  /**
   * Chooses tokenizer, model and training for a run of so many seconds on the loaded text, by the speed of this machine.
   * `chosen`: what is fixed already. The run itself adapts the number of steps to its `timeLimit`.
   */
  planForTime(seconds: number, chosen: Chosen = {}): Promise<TimePlan> {
    return this.owner.ask((api) => api.planForTime(seconds, given(chosen)));
  }

  /** What a pretrained model takes to be opened here, by the fields of its config.json. */
  costOfOpening(config: Record<string, unknown>): Promise<OpeningCost> {
    return this.owner.ask((api) => api.plain("costOfOpening", new TextEncoder().encode(JSON.stringify(config))));
  }

  /** Whether `halfPrecision` is accurate on this engine, found by training a few steps with and without it. */
  checkHalfPrecision(): Promise<HalfPrecision> {
    return this.owner.ask((api) => api.checkHalfPrecision());
  }

  /** Compiles the GPU's pipelines for a model that will probably be trained, so that its first step need not wait. */
  compileAhead(model: NewModel & { vocabulary?: number }, train: Partial<TrainConfig>): Promise<void> {
    return this.owner.ask((api) => api.compileAhead(model, given(train)));
  }

  /** Replaces the model with a new one: a preset, or "tiny" with other values. */
  async createModel(model: NewModel): Promise<ModelSummary> {
    const summary = await this.owner.ask((api) => api.createModel(model));
    this.owner.replay.model = { made: model };
    this.held.fresh();
    this.tell("model", summary);
    return summary;
  }

  async modelSummary(): Promise<ModelSummary | undefined> {
    return (await this.owner.ask((api) => api.plain("modelSummary"))) ?? undefined;
  }

  /** Merges the adapter into the weights: the outputs stay the same, and all weights can be trained. */
  async mergeAdapter(): Promise<ModelSummary> {
    const model = await this.owner.ask((api) => api.mergeAdapter());
    this.held.only();
    await this.#remember();
    return this.tell("model", model) as ModelSummary;
  }

  /** Stores the model's file for a restart of the engine: the model can no longer be recreated from its origin. */
  async #remember(): Promise<void> {
    this.owner.replay.model = { opened: await this.#exported("safetensors", "lorito") };
  }

  /**
   * Exports a model as a .safetensors file that this page opens, a .zip with a Hugging Face folder, or a .gguf file for
   * llama.cpp with 16 or 8 bits per weight, and a Modelfile with which Ollama opens it; or its adapter alone, a .zip that
   * PEFT and this page open; or a one-page model, an .html file that runs anywhere and that this page opens, too, and which
   * is about a quarter of the size with 8 bits per weight ("html-q8").
   * `name`: the files' name without ending. `language`: that of the folder's model card and scripts, and of a
   * Modelfile's comments; an .html file that the page exports has the page's.
   */
  async exportModel(kind: ExportKind, name = "lorito", { language = "en" }: ExportOptions = {}): Promise<Blob> {
    const hasWords = kind === "huggingface" || /^(modelfile|html)/.test(kind);
    const file = await this.#exported(kind, name, hasWords ? language : "en");
    // A .gguf file and a smaller page have fewer bits per weight, and a Modelfile none.
    if (!/^(gguf|modelfile|html-q8)/.test(kind)) this.held.also("file");
    return file;
  }

  async #exported(kind: ExportKind, name: string, language = "en"): Promise<Blob> {
    const { ofOnePage, ofExports } = this.setup.words;
    if (kind === "html" || kind === "html-q8") {
      const words = await ofOnePage(language);
      return this.owner.ask((api) => api.exportOnePage(kind, name, words));
    }
    const words = await ofExports(language);
    return this.owner.ask((api) => api.exportModel(kind, name, words));
  }

  /**
   * Opens a model: Lorito's own .safetensors file, a one-page model, a .gguf file, a .zip with a Hugging Face folder, or the
   * files of such a folder (config.json, weights as .safetensors or pytorch_model.bin in one file or in shards, tokenizer); a PEFT adapter for the open model, or together with
   * its model's files. `signal` cancels it: the call rejects with "cancelled".
   */
  async importModel(
    source: Blob | NamedFile[],
    onProgress?: (loaded: number, total: number) => void,
    signal?: AbortSignal,
  ): Promise<OpenedModel> {
    const notices: Problem[] = [];
    const model = await this.withWord(
      (call) => this.owner.ask((api) => api.importModel(call, source)),
      (event) => {
        if (event.event === "loaded") onProgress?.(event.loaded, event.total);
        if (event.event === "notice") notices.push(event.notice);
      },
      signal,
    );
    return { ...(await this.opened(model, source)), notices };
  }

  /**
   * Opens a model from an address. Its host must allow that (CORS); only the file is requested. `signal` cancels it: the call
   * rejects with "cancelled".
   */
  async importFromUrl(
    url: string,
    onProgress?: (loaded: number, total: number) => void,
    signal?: AbortSignal,
  ): Promise<ModelSummary & { vocabSize: number }> {
    const address = webAddress(url, globalThis.location?.href);
    if (!address) throw new LoritoError({ code: "address-invalid", url });
    const { model, file } = await this.withWord(
      (call) => this.owner.ask((api) => api.importFromUrl(call, address.href)),
      (event) => event.event === "loaded" && onProgress?.(event.loaded, event.total),
      signal,
    );
    return this.opened(model, file);
  }

  protected async opened(
    model: ModelSummary,
    source: Blob | NamedFile[],
  ): Promise<ModelSummary & { vocabSize: number }> {
    // An adapter was opened for the current model.
    if (model.adapter) await this.#remember();
    else this.owner.replay.model = { opened: source };
    // An adapter's file contains only a part of a model that is saved nowhere.
    if (!model.adapter || !this.held.nowhere) this.held.only("file");
    await this.tellAll();
    return { ...model, vocabSize: model.vocabulary };
  }

  /** The models in the browser's storage, newest first. */
  savedModels(): Promise<SavedModel[]> {
    return this.owner.ask((api) => api.savedModels()).catch(orNone<SavedModel[]>([]));
  }

  /** Saves the model in the browser's storage; returns the final name. */
  async saveModel(name: string): Promise<string> {
    this.persist();
    const saved = await this.owner.ask((api) => api.saveModel(name));
    this.held.also(modelHolder(saved));
    return saved;
  }

  async openModel(name: string): Promise<OpenedModel> {
    const file = await this.savedModelFile(name);
    const model = await this.importModel(file);
    this.owner.replay.liesInStorage(file);
    this.held.only(modelHolder(name));
    return model;
  }

  /** Returns the final name. A model that is open stays open. */
  async renameModel(from: string, to: string): Promise<string> {
    await this.owner.replay.takeOut().catch(() => {}); // a deleted file cannot be copied
    const name = await this.owner.ask((api) => api.renameModel(from, to));
    this.held.renamed(modelHolder(from), modelHolder(name));
    return name;
  }

  /** A model that is open stays open. */
  async deleteModel(name: string): Promise<void> {
    await this.owner.replay.takeOut().catch(() => {});
    await this.owner.ask((api) => api.deleteModel(name));
    this.held.gone(modelHolder(name));
  }

  savedModelFile(name: string): Promise<Blob> {
    return this.owner.ask((api) => api.savedModelFile(name));
  }

  /** Bytes in the browser's storage: used by this origin, and its quota. */
  async storageUsed(): Promise<{ used: number; quota: number }> {
    const { usage = 0, quota = 0 } = (await globalThis.navigator?.storage?.estimate?.()) ?? {};
    return { used: usage, quota };
  }
}

/** The name of a saved model as a holder of the model (held.ts). */
function modelHolder(name: string): string {
  return `model ${name}`;
}
