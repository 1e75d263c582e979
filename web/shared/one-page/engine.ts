// What a model's page asks of its engine. Types only.
import type { ChatMessage, GenerateOptions, History, ModelSummary } from "lorito-wasm";
import type { ChatAnswer } from "../protocol";

export interface OnePageEngine {
  /** Says that the worker works. */
  ready(): Promise<void>;
  /** `wasm`, `deferred`, `model`: the texts of their scripts. */
  open(wasm: Blob, deferred: Blob, model: Blob): Promise<{ model: ModelSummary; history: History }>;
  /** `unknown` is called with the characters of the prompt that the model has no token for, if there are any. */
  generate(
    prompt: string,
    options: GenerateOptions,
    piece: (text: string) => void,
    unknown: (characters: string) => void,
  ): Promise<string>;
  chat(messages: ChatMessage[], options: GenerateOptions, piece: (text: string) => void): Promise<ChatAnswer>;
  stopWriting(): Promise<void>;
  /** The model's file, as it was put into the page. */
  file(): Promise<Blob>;
}

declare global {
  /** On the page, where it waits for being needed. */
  var loritoEngine: OnePageEngine | undefined;
}
