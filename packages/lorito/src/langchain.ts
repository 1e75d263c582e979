// Lorito as a chat model and as embeddings of LangChain.js. Both use an instance that the program has created and holds, with a
// model in it.
import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import { type BaseChatModelParams, SimpleChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessageChunk, type BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk } from "@langchain/core/outputs";
import type { Lorito } from "../../../web/api/lorito";
import type { ChatMessage, GenerateOptions } from "../../../web/api/types";
import { untilStop } from "./until-stop";

type Sampling = Pick<GenerateOptions, "maxTokens" | "temperature" | "topK" | "topP" | "repetitionPenalty" | "seed">;

export interface ChatLoritoInput extends BaseChatModelParams, Partial<Sampling> {
  /** An instance with a model. It stays the program's, which closes it. */
  lorito: Lorito;
}

/** A conversation with the model of an instance: `new ChatLorito({ lorito, maxTokens: 100 })`. */
export class ChatLorito extends SimpleChatModel {
  readonly lorito: Lorito;
  readonly #options: Partial<Sampling>;

  static override lc_name(): string {
    return "ChatLorito";
  }

  constructor({ lorito, maxTokens, temperature, topK, topP, repetitionPenalty, seed, ...params }: ChatLoritoInput) {
    super(params);
    this.lorito = lorito;
    const given = { maxTokens, temperature, topK, topP, repetitionPenalty, seed };
    this.#options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  }

  override _llmType(): string {
    return "lorito";
  }

  override async _call(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): Promise<string> {
    let text = "";
    for await (const piece of this.#pieces(messages, options)) {
      text += piece;
      await runManager?.handleLLMNewToken(piece);
    }
    return text;
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    runManager?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    for await (const text of this.#pieces(messages, options)) {
      yield new ChatGenerationChunk({ text, message: new AIMessageChunk({ content: text }) });
      await runManager?.handleLLMNewToken(text);
    }
  }

  /** The answer as it is written. It ends before any of the texts `stop`, or with the signal. */
  async *#pieces(messages: BaseMessage[], { stop = [], signal }: this["ParsedCallOptions"]): AsyncGenerator<string> {
    signal?.throwIfAborted();
    const written: string[] = [];
    let more = () => {};
    let ended = false;
    const onToken = (piece: string) => {
      written.push(piece);
      more();
    };
    const end = () => this.lorito.stopWriting();
    signal?.addEventListener("abort", end);
    const answer = this.lorito.chat(messages.map(turnOf), { ...this.#options, onToken }).finally(() => {
      ended = true;
      more();
    });
    answer.catch(() => {}); // it rejects below, where it is awaited
    async function* pieces(): AsyncGenerator<string> {
      while (true) {
        while (written.length > 0) yield written.shift() ?? "";
        if (ended) return;
        await new Promise<void>((resolve) => {
          more = resolve;
        });
      }
    }
    try {
      yield* untilStop(pieces(), stop);
      if (ended) await answer;
      signal?.throwIfAborted();
    } finally {
      signal?.removeEventListener("abort", end);
      // A stop was found, or nobody reads on.
      if (!ended) end();
    }
  }
}

/** A message as the crate knows it. */
function turnOf(message: BaseMessage): ChatMessage {
  const roles: Record<string, ChatMessage["role"]> = { system: "system", human: "user", ai: "assistant" };
  const type = message.getType();
  const role = roles[type];
  if (!role) throw new TypeError(`ChatLorito takes system, human and AI messages, and no ${type} message`);
  const { content } = message;
  if (typeof content === "string") return { role, content };
  const texts = content.map((block) => {
    if (block.type !== "text" || typeof block.text !== "string")
      throw new TypeError(`ChatLorito reads text, and no ${block.type}`);
    return block.text;
  });
  return { role, content: texts.join("") };
}

export interface LoritoEmbeddingsInput extends EmbeddingsParams {
  /** An instance with a model. It stays the program's, which closes it. */
  lorito: Lorito;
}

/**
 * Embeddings by the model of an instance (`lorito.embed`). A small model that was trained to write is no embedding model: these
 * find texts with the same words and manner, and hardly those with the same meaning.
 */
export class LoritoEmbeddings extends Embeddings<number[]> {
  readonly lorito: Lorito;

  constructor({ lorito, ...params }: LoritoEmbeddingsInput) {
    super(params);
    this.lorito = lorito;
  }

  override async embedDocuments(documents: string[]): Promise<number[][]> {
    return (await this.lorito.embed(documents)).map((embedding) => Array.from(embedding));
  }

  override async embedQuery(document: string): Promise<number[]> {
    const [embedding = []] = await this.embedDocuments([document]);
    return embedding;
  }
}
