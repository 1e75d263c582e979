/**
 * Lorito's public API, `window.lorito`: everything that the page does, for the page's own views and for other scripts.
 * README.md shows a whole session.
 */
import type { ChatMessage, History, LeftOut } from "lorito-wasm";
import type { Engine } from "../shared/engines";
import { markHandled, problemOf } from "../shared/errors";
import type { OnePageWords } from "../shared/one-page/words";
import { part } from "../shared/part";
import type { EngineInfo, TrainResult, WorkerEvent } from "../shared/protocol";
import { given } from "./given";
import { Hub } from "./hub";
import { Inside } from "./inside";
import { Models } from "./models";
import type { ChatAnswer, TrainOptions, WriteOptions } from "./types";

export { LoritoError } from "../shared/errors";
export type * from "./types";

/**
 * Trains a small GPT and lets it write. Every method rejects with a {@link LoritoError}. Methods may be called before
 * `ready`; they wait for it.
 */
export class Lorito extends Models {
  /** The engine in use. Rejects if the address asks for one (`?engine=cpu`, `?engine=webgpu`) that cannot start. */
  readonly ready: Promise<EngineInfo>;
  /** The Hugging Face hub. */
  readonly hub: Hub;
  /** A look inside the model. */
  readonly inside: Inside;

  constructor(forced: Engine | undefined, wordsOfOnePage: () => OnePageWords) {
    super(forced, wordsOfOnePage);
    this.hub = new Hub({
      ask: (question) => this.owner.ask(question),
      withWord: (ask, take, signal) => this.withWord(ask, take, signal),
      opened: async (model, files) => {
        const opened = await this.opened(model, files);
        this.owner.replay.liesInStorage(files);
        return opened;
      },
      forgetting: () => this.owner.replay.takeOut().catch(() => {}),
      exportFolder: (name) => this.owner.ask((api) => api.exportFolder(name)),
      persist: () => this.persist(),
    });
    this.inside = new Inside((question) => this.owner.ask(question));
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
    this.owner.control("pause");
  }

  resume(): void {
    this.owner.control("go");
  }

  /** Ends training before its next step: `train` resolves. */
  stop(): void {
    this.owner.control("stop");
  }

  /** Every step, evaluation and sample of the model's training. */
  history(): Promise<History> {
    return this.owner.ask((api) => api.plain("history"));
  }

  /** Puts the weights of the run's best evaluation back; training goes on from there. */
  async returnToBest(): Promise<void> {
    await this.owner.ask((api) => api.returnToBest());
    this.tell("best", undefined);
  }

  // Writing

  /** The text after the prompt, which is a text or token ids. Training waits meanwhile. */
  generate(prompt: string | ArrayLike<number>, { onToken, onUnknown, ...options }: WriteOptions = {}): Promise<string> {
    const begin = typeof prompt === "string" ? prompt : Uint32Array.from(prompt);
    const ask = (call: number) => this.owner.ask((api) => api.generate(call, begin, given(options)));
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
    received?: (event: WorkerEvent) => void,
  ): Promise<string> {
    let text = "";
    let end = () => {};
    // The worker may be in the midst of a long token; the person need not wait for that.
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

  /** Ends every text under way: `generate` resolves with what is there. */
  stopWriting(): void {
    this.endAllWriting();
    markHandled(this.owner.ask((api) => api.stopWriting()));
  }

  /** The scores of all tokens after the last one of `ids`. */
  logits(ids: ArrayLike<number>): Promise<Float32Array> {
    return this.owner.ask((api) => api.plain("logits", Uint32Array.from(ids)));
  }
}
