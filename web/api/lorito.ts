/**
 * Lorito's public API, `window.lorito`: everything that the page does, for the page's own views and for other scripts.
 * README.md shows a complete session.
 */
import type { AdapterLosses, Advice, ChatMessage, Copied, History, LeftOut, Passage, TrainConfig } from "lorito-wasm";
import type { Engine } from "../shared/engines";
import { markHandled, problemOf } from "../shared/errors";
import { part } from "../shared/part";
import type { EngineInfo, TrainResult, WorkerEvent } from "../shared/protocol";
import { SETTINGS } from "../shared/settings";
import { Documents } from "./documents";
import { given } from "./given";
import type { Setup } from "./host";
import { Hub } from "./hub";
import { Inside } from "./inside";
import { Models } from "./models";
import type { AnswerOptions, AskedDocuments, ChatAnswer, TrainOptions, WriteOptions } from "./types";

export { LoritoError } from "../shared/errors";
export type * from "./types";

/**
 * Trains a small GPT and generates text with it. Every method rejects with a {@link LoritoError}. Methods may be called
 * before `ready`; they wait for it.
 */
export class Lorito extends Models {
  /** The engine in use. Rejects if the address requests an engine (`?engine=cpu`, `?engine=webgpu`) that cannot start. */
  readonly ready: Promise<EngineInfo>;
  /** The Hugging Face hub. */
  readonly hub: Hub;
  /** Inspects the model and its training. */
  readonly inside: Inside;
  /** Searches documents, which a model can answer from. */
  readonly documents: Documents;

  /** See {@link createLorito}. */
  constructor(setup: Setup) {
    super(setup);
    this.hub = new Hub({
      ask: (question) => this.owner.ask(question),
      withWord: (ask, take, signal) => this.withWord(ask, take, signal),
      opened: async (model, files) => {
        const opened = await this.opened(model, files);
        this.owner.replay.liesInStorage(files);
        return opened;
      },
      forgetting: () => this.owner.replay.takeOut().catch(() => {}),
      exportFolder: async (name, language) => {
        const words = await setup.words.ofExports(language);
        return this.owner.ask((api) => api.exportFolder(name, words));
      },
      persist: () => this.persist(),
    });
    this.inside = new Inside((question) => this.owner.ask(question));
    this.documents = new Documents({
      startWorker: () => setup.startWorker(new URL(setup.files.passages)),
      ask: (question) => this.owner.ask(question),
      withWord: (ask, take, signal) => this.withWord(ask, take, signal),
    });
    this.ready = this.owner.ready;
  }

  /**
   * Switches to another engine, for a GPU that rejects a command ("gpu-command-rejected"). Text, tokenizer and model move to
   * it, a run as it was last saved. A run in training continues; other calls reject and can be repeated.
   */
  changeEngine(engine: Engine): Promise<EngineInfo> {
    return this.owner.change(engine);
  }

  /**
   * The text of a bug report: version, browser, GPU with its features and limits, kernels, speeds, the model's size, the
   * self-check's result, storage. It contains neither training text nor anything that the model learned.
   */
  async report(): Promise<string> {
    const { reportOf } = await part(import("./report"));
    const engine = await this.owner.info().catch((thrown) => problemOf(thrown).code);
    const facts = await this.owner.ask((api) => api.facts()).catch(() => undefined);
    return reportOf({ engine, facts, seen: this.owner.seen, storage: await this.storageUsed() });
  }

  override close(): void {
    super.close();
    this.documents.close();
  }

  // Training

  /**
   * Trains for `steps` more steps; omitted settings are as in nanoGPT. Rejects with "busy" during training, and with
   * "diverged" when the loss is no longer a number; the model is then restored from the last checkpoint.
   */
  async train({ onProgress, workers, ...config }: TrainOptions = {}): Promise<TrainResult> {
    return this.trainModel({ ...given(config), shards: config.shards ?? 0 } as TrainConfig, workers, onProgress);
  }

  /** Pauses training before its next step. */
  pause(): void {
    this.owner.control("pause");
  }

  resume(): void {
    this.owner.control("go");
  }

  /** Ends training before its next step: `train` resolves. */
  stop(): void {
    this.owner.control("stop");
  }

  /** What the curves of the last run and its text suggest, with the numbers that each rests on. */
  advice(): Promise<Advice[]> {
    return this.owner.ask((api) => api.plain("advice"));
  }

  /** All steps, evaluations and samples of the model's training. */
  history(): Promise<History> {
    return this.owner.ask((api) => api.plain("history"));
  }

  /**
   * Bits per byte of the whole held-back text, in windows that slide by half of their length; undefined if none is held back.
   * It takes as long as reading that text twice.
   */
  heldBackBitsPerByte(): Promise<number | undefined> {
    return this.owner.ask((api) => api.plain("heldBackBitsPerByte"));
  }

  /** Restores the weights of the run's best evaluation; training continues from them. */
  async returnToBest(): Promise<void> {
    await this.owner.ask((api) => api.returnToBest());
    this.tell("best", undefined);
  }

  // Writing

  /** Generates the continuation of the prompt, a text or token ids. Training pauses meanwhile. */
  generate(prompt: string | ArrayLike<number>, { onToken, onUnknown, ...options }: WriteOptions = {}): Promise<string> {
    const begin = typeof prompt === "string" ? prompt : Uint32Array.from(prompt);
    const ask = (call: number) => this.owner.ask((api) => api.generate(call, begin, given(options)));
    return this.#write(ask, onToken, (event) => event.event === "unknown" && onUnknown?.(event.characters));
  }

  /**
   * Continues the prompt with a saved model, for instance to compare it with others. The saved model is opened in a
   * session of its own on the CPU, so that the open model does not change. Rejects with "busy" while a model trains.
   */
  writeWith(name: string, prompt: string, { onToken, onUnknown, ...options }: WriteOptions = {}): Promise<string> {
    const ask = (call: number) => this.owner.ask((api) => api.writeWith(call, name, prompt, given(options)));
    return this.#write(ask, onToken, (event) => event.event === "unknown" && onUnknown?.(event.characters));
  }

  /**
   * Generates the answer to a conversation: an optional system message, then turns, the last of them the user's. If it
   * exceeds the model's context, the oldest turns are dropped whole. A model whose tokenizer has no tokens for turns reads
   * lines ("User: …", "Assistant: …"), and its answer ends where it begins the next one. With the option `documents` the last
   * message gets the passages that fit it; if there are none, the model is not asked, and `text` is empty.
   */
  async chat(messages: ChatMessage[], options: AnswerOptions = {}): Promise<ChatAnswer> {
    const { onToken, onUnknown, documents, ...drawing } = options;
    let unknownCharacters = "";
    let leftOut: LeftOut = { dropped: 0, systemDropped: false, questionCut: false };
    const asked = documents ? await this.#fromDocuments(messages, options) : undefined;
    if (asked?.passages.length === 0) return { text: "", ...leftOut, unknownCharacters, documents: asked };
    const all = asked ? [...messages.slice(0, -1), { role: "user" as const, content: asked.question }] : messages;
    const ask = (call: number) => this.owner.ask((api) => api.chat(call, all, given(drawing)));
    const text = await this.#write(ask, onToken, (event) => {
      if (event.event === "left-out") leftOut = event.leftOut;
      if (event.event !== "unknown") return;
      unknownCharacters = event.characters;
      onUnknown?.(unknownCharacters);
    });
    return { text, ...leftOut, unknownCharacters, ...(asked ? { documents: asked } : {}) };
  }

  #fromDocuments(messages: ChatMessage[], { documents, maxTokens }: AnswerOptions): Promise<AskedDocuments> {
    const { count = 3 } = typeof documents === "object" ? documents : {};
    return this.documents.asked(messages, maxTokens ?? SETTINGS.generate.maxTokens.default, count);
  }

  async #write(
    ask: (call: number) => Promise<string>,
    onToken?: (piece: string) => void,
    received?: (event: WorkerEvent) => void,
  ): Promise<string> {
    let text = "";
    let end = () => {};
    // The worker may still be computing a token; the caller does not wait for that.
    const stopped = new Promise<string>((resolve) => {
      end = () => resolve(text);
    });
    this.beginWriting(end);
    const take = (event: WorkerEvent) => {
      received?.(event);
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

  /** Stops every generation in progress: `generate` resolves with the text so far. */
  stopWriting(): void {
    this.endAllWriting();
    markHandled(this.owner.ask((api) => api.stopWriting()));
  }

  /**
   * What the model's adapter changes: the losses on the held-back text without it, and with it; undefined: no text is held
   * back. `generate` and `chat` with `adapter: false` are those of the model without it. Rejects with "no-adapter", and with
   * "busy" while a model trains; `signal` cancels it.
   */
  adapterLosses(signal?: AbortSignal): Promise<AdapterLosses | undefined> {
    return this.withWord(
      (call) => this.owner.ask((api) => api.adapterLosses(call)),
      () => {},
      signal,
    );
  }

  /**
   * Finds the parts of a text (of at least 8 words or 40 characters) that are verbatim copies of the model's training
   * text, with their positions. undefined: no training text is known, and none is loaded.
   */
  copied(text: string): Promise<Copied | undefined> {
    return this.owner.ask((api) => api.copied(text));
  }

  /** The passages of the model's training text most similar to a text, at most three. */
  mostLike(text: string): Promise<Passage[] | undefined> {
    return this.owner.ask((api) => api.mostLike(text));
  }

  /**
   * The embeddings of texts, each of length 1: the mean of the hidden states after the last norm over the tokens of a text, so
   * that the dot product of two is their cosine similarity. A model that was trained to write is no embedding model: its means
   * tell topics and languages apart, and little more.
   */
  embed(texts: string[]): Promise<Float32Array[]> {
    return this.owner.ask((api) => api.embed(texts));
  }

  /** The logits of all tokens after the last one of `ids`. */
  logits(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.owner.ask((api) => api.plain("logits", Uint32Array.from(ids)));
  }
}
