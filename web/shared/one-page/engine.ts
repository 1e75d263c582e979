// The engine's interface in a one-page model. Types only.
import type { ChatMessage, GenerateOptions, History, ModelSummary } from "lorito-wasm";
import type { ChatAnswer } from "../protocol";

export interface OnePageEngine {
  /** Resolves once the worker has started. */
  ready(): Promise<void>;
  /** `wasm`, `deferred`, `model`: the text of their scripts. */
  open(wasm: Blob, deferred: Blob, model: Blob): Promise<{ model: ModelSummary; history: History }>;
  /** `unknown` is called with the prompt's characters that the model has no token for, if there are any. */
  generate(
    prompt: string,
    options: GenerateOptions,
    piece: (text: string) => void,
    unknown: (characters: string) => void,
  ): Promise<string>;
  chat(messages: ChatMessage[], options: GenerateOptions, piece: (text: string) => void): Promise<ChatAnswer>;
  stopWriting(): Promise<void>;
  /** The model file that was packed into the page. */
  file(): Promise<Blob>;
}

declare global {
  /** On the page, where it is loaded on demand. */
  var loritoEngine: OnePageEngine | undefined;
}
