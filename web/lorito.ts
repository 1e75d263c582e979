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
import { heeded, LoritoError, orNone, type Problem, problemOf } from "./errors";
import type { Engine } from "./gpu";
import { Hub } from "./hub";
import { webAddress } from "./hub/place";
import { isArchive } from "./kinds";
import { wordsOfOnePage } from "./one-page/words";
import { OwnRuns } from "./own-runs";
import { part } from "./part";
import { settleIn } from "./place";
import type { EngineInfo, ExportKind, NamedFile, NewModel, SavedModel, TrainResult, WorkerEvent } from "./protocol";
import type { AddedText, AddTextOptions, ChatAnswer, OpenedModel, TrainOptions, WriteOptions } from "./types";

export { LoritoError } from "./errors";
export type * from "./types";

/**
 * Trains a small GPT and lets it write. Every method rejects with a {@link LoritoError}. Methods may be called before
 * `ready`; they wait for it.
 */
export class Lorito extends OwnRuns {
  /** The engine in use. Rejects if the address asks for one (`?engine=cpu`, `?engine=webgpu`) that cannot start. */
  readonly ready: Promise<EngineInfo>;
  /** The Hugging Face hub. */
  readonly hub: Hub;

  constructor(forced?: Engine) {
    super(forced);
    this.hub = new Hub({
      ask: (question) => this.owner.ask(question),
      withWord: (ask, take, signal) => this.withWord(ask, take, signal),
      opened: async (model, files) => {
        const opened = await this.#opened(model, files);
        this.owner.recipe.liesInStorage(files);
        return opened;
      },
      forgetting: () => this.owner.recipe.takeOut().catch(() => {}),
      exportFolder: (name) => this.owner.ask((api) => api.exportFolder(name)),
      persist: () => this.persist(),
    });
    this.ready = this.owner.ready;
  }

  /**
   * Goes on with another engine, for when the GPU cannot do what it is asked ("gpu-command-rejected"). It gets what there is:
   * text, tokenizer and model, a run as it was last saved. A run in training goes on; other calls reject and can be made again.
   */
  changeEngine(engine: Engine): Promise<EngineInfo> {
    return this.owner.change(engine);
  }

  /**
   * What a report of a fault should say, as plain text: version, browser, GPU with its features and limits, kernels, speeds,
   * the model's size, how the GPU was checked against the CPU, storage. Nothing of the text or of what the model learned.
   */
  async report(): Promise<string> {
    const { reportOf } = await part(import("./report"));
    const engine = await this.owner.info().catch((thrown) => problemOf(thrown).code);
    const facts = await this.owner.ask((api) => api.facts()).catch(() => undefined);
    return reportOf({ engine, facts, seen: this.owner.seen, storage: await this.storageUsed() });
  }

  // Text

  /**
   * Adds a text: .txt, .md, .csv, .json, .jsonl, or one of these gzipped, or .parquet; a chat that WhatsApp has exported,
   * as .txt or .zip. A list has the parts of one file. Of an archive every chat is a text of its own, or, if there is none,
   * every file that can be read as text; those that cannot are among the notices. What is there stays if nothing can be read.
   */
  async addText(
    name: string,
    data: string | Uint8Array | Blob | Blob[],
    options: AddTextOptions = {},
  ): Promise<AddedText> {
    const given = data instanceof Blob || Array.isArray(data) ? data : new Blob([data as BlobPart]);
    if (Array.isArray(given) || !isArchive(await startOf(given, name)))
      return { ...(await this.#addOne(name, given, options)), notices: [] };
    const { texts, notices } = await this.withWord(
      (call) => this.owner.ask((api) => api.textsIn(call, name, given)),
      () => {},
      options.signal,
    );
    let { replaces } = options;
    let summary: TextSummary | undefined;
    const refused: Problem[] = [];
    for (const text of texts) {
      try {
        summary = await this.#addOne(text.name, text.data, { ...options, replaces });
        replaces = undefined;
      } catch (thrown) {
        const problem = problemOf(thrown);
        if (problem.code === "cancelled") throw thrown;
        refused.push(problem);
      }
    }
    const [first] = refused;
    if (!summary) throw LoritoError.from(first);
    return { ...summary, notices: [...notices, ...refused] };
  }

  async #addOne(
    name: string,
    blob: Blob | Blob[],
    { field, chat, encoding, replaces, onProgress, signal }: AddTextOptions,
  ): Promise<TextSummary> {
    const reading = { field, chat, encoding };
    const summary = await this.withWord(
      (call) => this.owner.ask((api) => api.addText(call, name, blob, reading, replaces)),
      (event) => event.event === "loaded" && onProgress?.(event.loaded, event.total),
      signal,
    );
    const { texts } = this.owner.recipe;
    texts[Math.min(replaces ?? texts.length, texts.length)] = { name, data: blob, reading };
    return this.tell("text", summary);
  }

  /** The file behind a text, as it was given or as it lay in an archive, by its place in `sources`; undefined if it is unknown. */
  textFile(index: number): Blob | Blob[] | undefined {
    return this.owner.recipe.texts[index]?.data;
  }

  /** The names of the files in a ZIP archive. */
  namesIn(archive: Blob): Promise<string[]> {
    return this.owner.ask((api) => api.namesIn(archive));
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
    this.held.fresh();
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
    return this.trainModel(given(config), onProgress);
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

  /** Every step, evaluation and sample of the model's training. */
  history(): Promise<History> {
    return this.owner.ask((api) => api.plain("history"));
  }

  /** Takes the adapter up into the weights: the model writes what it wrote, and all of it can be trained. */
  async mergeAdapter(): Promise<ModelSummary> {
    const model = await this.owner.ask((api) => api.mergeAdapter());
    this.held.only();
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
    this.owner.recipe.model = { opened: await this.#exported("safetensors", "lorito") };
  }

  // Writing

  /** The text after the prompt. Training waits meanwhile. */
  generate(prompt: string, { onToken, onUnknown, ...options }: WriteOptions = {}): Promise<string> {
    const ask = (call: number) => this.owner.ask((api) => api.generate(call, prompt, given(options)));
    return this.#write(ask, onToken, (event) => event.event === "unknown" && onUnknown?.(event.characters));
  }

  /**
   * The answer to a conversation: perhaps a system message, then turns, the last of them the user's. What no longer fits
   * into the model's context is left out in whole turns from the oldest on. A model whose tokenizer has no tokens for
   * turns reads lines ("User: …", "Assistant: …") and ends where it begins the next one.
   */
  async chat(messages: ChatMessage[], { onToken, onUnknown, ...options }: WriteOptions = {}): Promise<ChatAnswer> {
    let unknownCharacters = "";
    let leftOut: LeftOut = { dropped: 0, systemDropped: false, questionCut: false };
    const ask = (call: number) => this.owner.ask((api) => api.chat(call, messages, given(options)));
    const text = await this.#write(ask, onToken, (event) => {
      if (event.event === "left-out") leftOut = event.leftOut;
      if (event.event !== "unknown") return;
      unknownCharacters = event.characters;
      onUnknown?.(unknownCharacters);
    });
    return { text, ...leftOut, unknownCharacters };
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
  async exportModel(kind: ExportKind, name = "lorito"): Promise<Blob> {
    const file = await this.#exported(kind, name);
    // A .gguf file has fewer bits a number, and does not open here.
    if (!kind.startsWith("gguf")) this.held.also("file");
    return file;
  }

  #exported(kind: ExportKind, name: string): Promise<Blob> {
    return this.owner.ask((api) =>
      kind === "html" ? api.exportOnePage(name, wordsOfOnePage()) : api.exportModel(kind, name),
    );
  }

  /**
   * Opens a model: a .safetensors file of Lorito's, a model's own page, a .zip with a Hugging Face folder in it, or the
   * files of such a folder (config.json, weights in one file or in shards, tokenizer); PEFT's adapter for the model that is
   * open, or beside its model's files. `signal` ends it: the call rejects with "cancelled".
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
    return { ...(await this.#opened(model, source)), notices };
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
    // An adapter that came for a model which nothing held yet holds only a part of it.
    if (!model.adapter || !this.held.nowhere) this.held.only("file");
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
    const saved = await this.owner.ask((api) => api.saveModel(name));
    this.held.also(modelHolder(saved));
    return saved;
  }

  async openModel(name: string): Promise<OpenedModel> {
    const file = await this.savedModelFile(name);
    const model = await this.importModel(file);
    this.owner.recipe.liesInStorage(file);
    this.held.only(modelHolder(name));
    return model;
  }

  /** Returns the name it got. A model that is open stays open. */
  async renameModel(from: string, to: string): Promise<string> {
    await this.owner.recipe.takeOut().catch(() => {}); // a file that is gone already cannot be copied
    const name = await this.owner.ask((api) => api.renameModel(from, to));
    this.held.renamed(modelHolder(from), modelHolder(name));
    return name;
  }

  /** A model that is open stays open. */
  async deleteModel(name: string): Promise<void> {
    await this.owner.recipe.takeOut().catch(() => {});
    await this.owner.ask((api) => api.deleteModel(name));
    this.held.gone(modelHolder(name));
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

/** The first bytes of a file that somebody gave. */
async function startOf(file: Blob, name: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.slice(0, 4).arrayBuffer());
  } catch {
    throw new LoritoError({ code: "file-unreadable", name });
  }
}

/** A saved model among what holds a model. */
function modelHolder(name: string): string {
  return `model ${name}`;
}

/** Without the fields that are undefined: the crate has the defaults. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
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

settleIn(location.pathname);
export const lorito = new Lorito(forcedEngine());
window.lorito = lorito;
