/**
 * Lorito's public API, `window.lorito`: everything that the page does, for the page's own views and for other scripts.
 * README.md shows a whole session.
 */
import type {
  ChatMessage,
  HalfPrecision,
  HeldBack,
  History,
  LeftOut,
  ModelSummary,
  Piece,
  Plan,
  Preset,
  TextSummary,
  TokenizerKind,
  TokenizerSummary,
  TrainConfig,
} from "lorito-wasm";
import { heeded, LoritoError, problemOf } from "./errors";
import type { Engine } from "./gpu";
import { Hub } from "./hub";
import { webAddress } from "./hub/place";
import { RunLock } from "./lock";
import { wordsOfOnePage } from "./one-page/words";
import type {
  EngineInfo,
  ExportKind,
  NamedFile,
  NewModel,
  Progress,
  RunSummary,
  SavedModel,
  TrainResult,
  WorkerEvent,
} from "./protocol";
import type { AddTextOptions, ChatAnswer, TrainOptions, WriteOptions } from "./types";
import { Voice } from "./voice";

export { LoritoError } from "./errors";
export type * from "./types";

/**
 * Trains a small GPT and lets it write. Every method rejects with a {@link LoritoError}. Methods may be called before
 * `ready`; they wait for it.
 */
export class Lorito extends Voice {
  /** The engine in use. Rejects if the address asks for one (`?engine=cpu`, `?engine=webgpu`) that cannot start. */
  readonly ready: Promise<EngineInfo>;
  /** The Hugging Face hub. */
  readonly hub: Hub;
  readonly #lock = new RunLock();

  constructor(forced?: Engine) {
    super(forced);
    this.hub = new Hub({
      ask: (question) => this.owner.ask(question),
      withWord: (ask, take, signal) => this.withWord(ask, take, signal),
      opened: (model, files) => this.#opened(model, files),
      exportFolder: (name) => this.owner.ask((api) => api.exportFolder(name)),
      persist: () => this.persist(),
    });
    this.ready = this.owner.ready;
  }

  // Text

  /**
   * Adds a text: .txt, .md, .csv, .json, .jsonl, or one of these gzipped, or .parquet; a chat that WhatsApp has exported,
   * as .txt or .zip. A list has the parts of one file. What is there stays if it cannot be read.
   */
  async addText(
    name: string,
    data: string | Uint8Array | Blob | Blob[],
    { field, chat, replaces, onProgress }: AddTextOptions = {},
  ): Promise<TextSummary> {
    const blob = data instanceof Blob || Array.isArray(data) ? data : new Blob([data as BlobPart]);
    const summary = await this.withWord(
      (call) => this.owner.ask((api) => api.addText(call, name, blob, { field, chat }, replaces)),
      (event) => event.event === "loaded" && onProgress?.(event.loaded, event.total),
    );
    const { texts } = this.owner.recipe;
    texts[Math.min(replaces ?? texts.length, texts.length)] = { name, data: blob, reading: { field, chat } };
    return this.tell("text", summary);
  }

  /** Removes a text by its place in `sources`. */
  async removeText(index: number): Promise<TextSummary> {
    const summary = await this.owner.ask((api) => api.removeText(index));
    this.owner.recipe.texts.splice(index, 1);
    return this.tell("text", summary);
  }

  async clearText(): Promise<TextSummary> {
    const summary = await this.owner.ask((api) => api.clearText());
    this.owner.recipe.texts.length = 0;
    this.owner.recipe.heldBack = undefined;
    return this.tell("text", summary);
  }

  /**
   * Chooses what of the text the model never sees and is tested on: whole documents, or the last tenth of each, which suits
   * a few long ones. Conversations are held back whole.
   */
  async holdBack(what: HeldBack): Promise<TextSummary> {
    const summary = await this.owner.ask((api) => api.holdBack(what));
    this.owner.recipe.heldBack = what;
    return this.tell("text", summary);
  }

  textSummary(): Promise<TextSummary> {
    return this.owner.ask((api) => api.plain("textSummary"));
  }

  // Tokenizer

  /** Trains a tokenizer on the text. `vocabSize` matters to "bpe" alone. */
  async trainTokenizer(options: {
    kind: TokenizerKind;
    vocabSize?: number | undefined;
  }): Promise<TokenizerSummary & { vocabSize: number }> {
    const { kind, vocabSize: vocabulary } = options;
    const summary = await this.owner.ask((api) => api.trainTokenizer(kind, vocabulary));
    this.owner.recipe.tokenizer = { kind, vocabulary };
    this.tell("tokenizer", summary);
    return { ...summary, vocabSize: summary.vocabulary };
  }

  /** A good vocabulary for BPE on this text. */
  suggestedVocabulary(): Promise<number> {
    return this.owner.ask((api) => api.plain("suggestedVocabulary"));
  }

  /** The text cut into its tokens. */
  previewTokens(text: string): Promise<Piece[]> {
    return this.owner.ask((api) => api.plain("previewTokens", text));
  }

  /** Whether each token of a text would be learned (1) or only read (0): of conversations the answers are. */
  learnedTokens(text: string): Promise<Uint8Array> {
    return this.owner.ask((api) => api.plain("learnedTokens", text));
  }

  /** The characters that the tokenizer has no token for and leaves out. */
  unknownCharacters(text: string): Promise<string> {
    return this.owner.ask((api) => api.plain("unknownCharacters", text));
  }

  encode(text: string): Promise<Uint32Array> {
    return this.owner.ask((api) => api.plain("encode", text));
  }

  decode(ids: ArrayLike<number>): Promise<string> {
    return this.owner.ask((api) => api.plain("decode", Uint32Array.from(ids)));
  }

  // Model

  presets(): Promise<Preset[]> {
    return this.owner.ask((api) => api.plain("presets"));
  }

  /** What a model and its training would cost, before there is one. Rejects if it cannot be. */
  planModel(model: NewModel & { vocabulary?: number }, train: Partial<TrainConfig>): Promise<Plan> {
    return this.owner.ask((api) => api.planModel(model, given(train)));
  }

  /** Whether `halfPrecision` in the settings of training can be trusted on this engine: a few steps with and without. */
  checkHalfPrecision(): Promise<HalfPrecision> {
    return this.owner.ask((api) => api.checkHalfPrecision());
  }

  /** Gets the GPU ready for a model that will most likely be trained, so that its first step does not wait for it. */
  compileAhead(model: NewModel & { vocabulary?: number }, train: Partial<TrainConfig>): Promise<void> {
    return this.owner.ask((api) => api.compileAhead(model, given(train)));
  }

  /** Makes a fresh model in place of the one there is: a preset, or "tiny" with other figures. */
  async createModel(model: NewModel): Promise<ModelSummary> {
    const summary = await this.owner.ask((api) => api.createModel(model));
    this.owner.recipe.model = { made: model };
    this.tell("model", summary);
    return summary;
  }

  async modelSummary(): Promise<ModelSummary | undefined> {
    return (await this.owner.ask((api) => api.plain("modelSummary"))) ?? undefined;
  }

  // Training

  /**
   * Trains for `steps` more steps; what is not given is as in nanoGPT. Rejects with "busy" while it trains already, and
   * with "diverged" when the loss is no number any more; the model is then as it was last saved.
   */
  async train({ onProgress, ...config }: TrainOptions = {}): Promise<TrainResult> {
    return this.#train(given(config), onProgress);
  }

  #train(config: TrainConfig | undefined, onProgress?: (progress: Progress) => void): Promise<TrainResult> {
    if (this.owner.training) throw new LoritoError({ code: "busy" });
    this.onProgress = onProgress;
    return this.owner.train(config, () => this.#lock.take());
  }

  /** Pauses training before its next step. */
  pause(): void {
    this.owner.wish("pause");
  }

  resume(): void {
    this.owner.wish("go");
  }

  /** Ends training before its next step: `train` resolves. */
  stop(): void {
    this.owner.wish("stop");
  }

  /** The run that was cut off by a reload or a crash, or stopped; null if there is none. */
  async unfinishedRun(): Promise<RunSummary | null> {
    const run = await this.savedRun();
    return run && run.step < run.endStep ? run : null;
  }

  /** The last run in the browser's storage, finished or not; null if there is none that this tab may touch. */
  async savedRun(): Promise<RunSummary | null> {
    if (this.owner.training || (await this.#lock.isElsewhere())) return null;
    return this.owner.ask((api) => api.savedRun()).catch(orNone<RunSummary | null>(null));
  }

  /** Brings the saved run back without going on: its model can write, and `train` trains it further. */
  async restoreRun(): Promise<RunSummary> {
    if (!(await this.#lock.take())) throw new LoritoError({ code: "run-in-another-tab" });
    const run = await this.owner.ask((api) => api.restoreRun());
    this.owner.recipe.model = { run: undefined };
    await this.tellAll();
    return run;
  }

  /** Goes on with the run to its end; its losses are those it would have had without the break. */
  async continueRun(options: Pick<TrainOptions, "onProgress"> = {}): Promise<TrainResult> {
    const { model } = this.owner.recipe;
    if (this.owner.training) throw new LoritoError({ code: "busy" });
    if (!model || !("run" in model)) await this.restoreRun();
    return this.#train(undefined, options.onProgress);
  }

  async discardRun(): Promise<void> {
    if (!(await this.#lock.take())) throw new LoritoError({ code: "run-in-another-tab" });
    await this.owner.ask((api) => api.discardRun());
  }

  /** The run as one file (weights, optimizer, tokens, history), for when it cannot be saved here. */
  async downloadRun(): Promise<Blob> {
    const { model } = this.owner.recipe;
    if (model && "run" in model && model.file) return model.file;
    return this.owner.ask((api) => api.runFile());
  }

  /** Opens what `downloadRun` gave. */
  async openRun(file: Blob): Promise<RunSummary> {
    const run = await this.owner.ask((api) => api.restoreRun(file));
    this.owner.recipe.model = { run: undefined, file };
    await this.tellAll();
    return run;
  }

  /** Every step, evaluation and sample of the model's training. */
  history(): Promise<History> {
    return this.owner.ask((api) => api.plain("history"));
  }

  /** Takes the adapter up into the weights: the model writes what it wrote, and all of it can be trained. */
  async mergeAdapter(): Promise<ModelSummary> {
    const model = await this.owner.ask((api) => api.mergeAdapter());
    await this.#remember();
    return this.tell("model", model) as ModelSummary;
  }

  /** Puts the weights of the run's best evaluation back; training goes on from there. */
  async returnToBest(): Promise<void> {
    await this.owner.ask((api) => api.returnToBest());
    this.tell("best", undefined);
  }

  /** For when the engine must be started anew: what the model is now cannot be told by how it was made. */
  async #remember(): Promise<void> {
    this.owner.recipe.model = { opened: await this.exportModel("safetensors") };
  }

  // Writing

  /** The text after the prompt. Training waits meanwhile. */
  generate(prompt: string, { onToken, ...options }: WriteOptions = {}): Promise<string> {
    return this.#write((call) => this.owner.ask((api) => api.generate(call, prompt, given(options))), onToken);
  }

  /**
   * The answer to a conversation: perhaps a system message, then turns, the last of them the user's. What no longer fits
   * into the model's context is left out in whole turns from the oldest on. A model whose tokenizer has no tokens for
   * turns reads lines ("User: …", "Assistant: …") and ends where it begins the next one.
   */
  async chat(messages: ChatMessage[], { onToken, ...options }: WriteOptions = {}): Promise<ChatAnswer> {
    let leftOut: LeftOut = { dropped: 0, systemDropped: false, questionCut: false };
    const ask = (call: number) => this.owner.ask((api) => api.chat(call, messages, given(options)));
    const text = await this.#write(ask, onToken, (event) => {
      if (event.event === "left-out") leftOut = event.leftOut;
    });
    return { text, ...leftOut };
  }

  async #write(
    ask: (call: number) => Promise<string>,
    onToken?: (piece: string) => void,
    heard?: (event: WorkerEvent) => void,
  ): Promise<string> {
    let text = "";
    let end = () => {};
    // The worker may be in the midst of a long token; the person need not wait for that.
    const stopped = new Promise<string>((resolve) => {
      end = () => resolve(text);
    });
    this.beginWriting(end);
    const take = (event: WorkerEvent) => {
      heard?.(event);
      if (event.event !== "piece" || !this.isWriting(end)) return;
      text += event.piece;
      onToken?.(event.piece);
    };
    try {
      return await Promise.race([this.withWord(ask, take), stopped]);
    } finally {
      this.endWriting(end);
    }
  }

  /** Ends every text under way: `generate` resolves with what is there. */
  stopWriting(): void {
    this.endAllWriting();
    heeded(this.owner.ask((api) => api.stopWriting()));
  }

  /** The scores of all tokens after the last one of `ids`. */
  logits(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.owner.ask((api) => api.plain("logits", Uint32Array.from(ids)));
  }

  // Files

  /**
   * A model as a .safetensors file that this page opens, a .zip with a Hugging Face folder, or a .gguf file for
   * llama.cpp with 16 or 8 bits a number; its adapter alone, a .zip that PEFT and this page open; or a page of its own,
   * an .html file that writes wherever it is opened and that this page opens, too.
   */
  exportModel(kind: ExportKind, name = "lorito"): Promise<Blob> {
    return this.owner.ask((api) =>
      kind === "html" ? api.exportOnePage(name, wordsOfOnePage()) : api.exportModel(kind, name),
    );
  }

  /**
   * Opens a model: a .safetensors file of Lorito's, a model's own page, a .zip with a Hugging Face folder in it, or the
   * files of such a folder (config.json, weights in one file or in shards, tokenizer).
   */
  async importModel(
    source: Blob | NamedFile[],
    onProgress?: (loaded: number, total: number) => void,
  ): Promise<ModelSummary & { vocabSize: number }> {
    const model = await this.withWord(
      (call) => this.owner.ask((api) => api.importModel(call, source)),
      (event) => event.event === "loaded" && onProgress?.(event.loaded, event.total),
    );
    return this.#opened(model, source);
  }

  /**
   * Opens a model from an address. Its host must allow that (CORS); nothing but the file is asked of it. `signal` ends it:
   * the call rejects with "cancelled".
   */
  async importFromUrl(
    url: string,
    onProgress?: (loaded: number, total: number) => void,
    signal?: AbortSignal,
  ): Promise<ModelSummary & { vocabSize: number }> {
    const address = webAddress(url, location.href);
    if (!address) throw new LoritoError({ code: "address-invalid", url });
    const { model, file } = await this.withWord(
      (call) => this.owner.ask((api) => api.importFromUrl(call, address.href)),
      (event) => event.event === "loaded" && onProgress?.(event.loaded, event.total),
      signal,
    );
    return this.#opened(model, file);
  }

  async #opened(model: ModelSummary, source: Blob | NamedFile[]): Promise<ModelSummary & { vocabSize: number }> {
    // An adapter came for a model that was there before.
    if (model.adapter) await this.#remember();
    else this.owner.recipe.model = { opened: source };
    await this.tellAll();
    return { ...model, vocabSize: model.vocabulary };
  }

  /** The models kept in the browser's storage, newest first. */
  savedModels(): Promise<SavedModel[]> {
    return this.owner.ask((api) => api.savedModels()).catch(orNone<SavedModel[]>([]));
  }

  /** Keeps the model under a name like this one; returns the name it got. */
  async saveModel(name: string): Promise<string> {
    this.persist();
    return this.owner.ask((api) => api.saveModel(name));
  }

  async openModel(name: string): Promise<ModelSummary & { vocabSize: number }> {
    return this.importModel(await this.savedModelFile(name));
  }

  /** Returns the name it got. */
  renameModel(from: string, to: string): Promise<string> {
    return this.owner.ask((api) => api.renameModel(from, to));
  }

  deleteModel(name: string): Promise<void> {
    return this.owner.ask((api) => api.deleteModel(name));
  }

  savedModelFile(name: string): Promise<Blob> {
    return this.owner.ask((api) => api.savedModelFile(name));
  }

  /** Bytes in the browser's storage: used by this host's pages, and granted to them. */
  async storageUsed(): Promise<{ used: number; quota: number }> {
    const { usage = 0, quota = 0 } = (await navigator.storage?.estimate?.()) ?? {};
    return { used: usage, quota };
  }
}

/** Without the fields that are undefined: the crate has the defaults. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** Where the browser keeps nothing, there is nothing. */
function orNone<T>(none: T): (thrown: unknown) => T {
  return (thrown) => {
    if (problemOf(thrown).code === "storage-unavailable") return none;
    throw thrown;
  };
}

/** The engine that the address asks for. */
function forcedEngine(): Engine | undefined {
  const asked = new URLSearchParams(location.search).get("engine");
  return asked === "cpu" || asked === "webgpu" ? asked : undefined;
}

declare global {
  interface Window {
    lorito: Lorito;
  }
}

export const lorito = new Lorito(forcedEngine());
window.lorito = lorito;
