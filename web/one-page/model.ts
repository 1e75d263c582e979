// The model of a one-page model: its data in the document, its engine, and the methods that the views call.
import { proxy, wrap } from "comlink";
import type { History, ModelSummary } from "lorito-wasm";
import type { ChatAnswer, ChatMessage, Lorito, WriteOptions } from "../api/lorito";
import { LoritoError, type Problem } from "../shared/errors";
import type { OnePageEngine } from "../shared/one-page/engine";
import { type Content, typeOf } from "../shared/one-page/scripts";

/** Starts the engine in a worker, or else on the page. */
async function start(): Promise<OnePageEngine> {
  try {
    const script = document.querySelector("#engine")?.textContent ?? "";
    const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
    const worker = new Worker(address);
    const failed = new Promise<never>((_, reject) => {
      worker.onerror = reject;
    });
    const engine = wrap(worker) as unknown as OnePageEngine; // every method is async and takes cloneable arguments
    await Promise.race([engine.ready(), failed]);
    return engine;
  } catch {
    if (globalThis.loritoEngine) return globalThis.loritoEngine;
    throw new LoritoError({ code: "one-page-damaged" });
  }
}

/** Moves the scripts of a kind, as large as the model, from the document to Blobs, which the browser may keep on disk. */
export function take(content: Content): Blob {
  const scripts = [...document.querySelectorAll(`script[type="${typeOf(content)}"]`)];
  if (scripts.length === 0) throw new LoritoError({ code: "one-page-damaged" });
  const texts = scripts.map((script) => {
    const text = new Blob([script.textContent ?? ""]);
    script.remove();
    return text;
  });
  return new Blob(texts);
}

/** The methods of `window.lorito` that views/write.ts and the store call. */
type Asked = Pick<Lorito, "generate" | "chat" | "stopWriting" | "on">;

export class OneModel implements Asked {
  readonly summary: ModelSummary;
  readonly history: History;
  readonly #engine: OnePageEngine;

  private constructor(engine: OnePageEngine, { model, history }: { model: ModelSummary; history: History }) {
    this.#engine = engine;
    this.summary = model;
    this.history = history;
  }

  /** Call after the whole page has been parsed. */
  static async open(): Promise<OneModel> {
    const engine = await start();
    const [wasm, deferred, model] = [take("wasm"), take("deferred"), take("model")];
    return new OneModel(engine, await asked(engine.open(wasm, deferred, model)));
  }

  generate(prompt: string, { onToken, onUnknown, ...options }: WriteOptions = {}): Promise<string> {
    const unknown = proxy((characters: string) => onUnknown?.(characters));
    return withPieces(onToken, (piece) => this.#engine.generate(prompt, options, piece, unknown));
  }

  chat(messages: ChatMessage[], { onToken, onUnknown: _, ...options }: WriteOptions = {}): Promise<ChatAnswer> {
    return withPieces(onToken, (piece) => this.#engine.chat(messages, options, piece));
  }

  stopWriting(): void {
    void this.#engine.stopWriting();
  }

  /** Lorito's own file, as it was packed into the page. */
  file(): Promise<Blob> {
    return asked(this.#engine.file());
  }

  /** This page dispatches no events. */
  on(): () => void {
    return () => {};
  }
}

async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (thrown) {
    throw LoritoError.from(thrown as Problem);
  }
}

type Piece = (text: string) => void;

/** Passes pieces on until the answer is complete: the worker's last callbacks may arrive after it. */
async function withPieces<T>(onToken: Piece | undefined, ask: (piece: Piece) => Promise<T>): Promise<T> {
  let answered = false;
  const piece = proxy((text: string) => {
    if (!answered) onToken?.(text);
  });
  try {
    return await asked(ask(piece));
  } finally {
    answered = true;
  }
}
