// llama.cpp from the package node-llama-cpp: built for the CPU, in this process, without a network.
import type { Llama as Engine, LlamaContext, LlamaModel, Token } from "node-llama-cpp";

/** Whether the lockfile includes llama.cpp for this machine. */
export const hasLlama = process.platform === "linux" && process.arch === "x64";

/** A GGUF file opened in llama.cpp. */
export class Llama {
  readonly #engine: Engine;
  readonly #model: LlamaModel;
  readonly #context: LlamaContext;

  private constructor(engine: Engine, model: LlamaModel, context: LlamaContext) {
    this.#engine = engine;
    this.#model = model;
    this.#context = context;
  }

  static async open(path: string): Promise<Llama> {
    // Imported lazily: the package takes seconds to load, and other tests do not need it.
    const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
    const engine = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: LlamaLogLevel.error });
    const model = await engine.loadModel({ modelPath: path });
    const context = await model.createContext({ contextSize: model.trainContextSize ?? 0, threads: 1 });
    return new Llama(engine, model, context);
  }

  /** The text of a special token is encoded as that token, as on the page. */
  encode(text: string): number[] {
    return this.#model.tokenize(text, true);
  }

  decode(ids: number[]): string {
    return this.#model.detokenize(ids as Token[], true);
  }

  /** The next `count` tokens by greedy decoding after `ids`. */
  async greedy(ids: number[], count: number): Promise<number[]> {
    const written: number[] = [];
    const sequence = this.#context.getSequence();
    for await (const id of sequence.evaluate(ids as Token[], { temperature: 0, yieldEogToken: true })) {
      written.push(id);
      if (written.length === count) break;
    }
    sequence.dispose();
    return written;
  }

  /** The logits of all tokens after each of `ids`. */
  async logits(ids: number[]): Promise<number[][]> {
    const sequence = this.#context.getSequence();
    const asked = ids.map((id) => [id as Token, { generateNext: { logits: true } }] as [Token, object]);
    const found = await sequence.controlledEvaluate(asked);
    sequence.dispose();
    return found.map((each) => {
      const logits: number[] = [];
      for (const [id, logit] of each?.next.logits ?? []) logits[id] = logit;
      return logits;
    });
  }

  async close(): Promise<void> {
    await this.#engine.dispose();
  }
}
