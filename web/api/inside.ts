// `lorito.inside`: inspects the model and its training. Nothing here changes the model or its run.
import type { LensRow, NearToken, SlowMotion, TokenMap } from "lorito-wasm";
import type { InspectedText, WorkerApi } from "../shared/protocol";

export class Inside {
  readonly #ask: <T>(question: (api: WorkerApi) => Promise<T>) => Promise<T>;

  constructor(ask: <T>(question: (api: WorkerApi) => Promise<T>) => Promise<T>) {
    this.#ask = ask;
  }

  /**
   * Inspects how the model reads `prompt` and the text `written` after it. Returns for each token its probability, its
   * surprise and the ten likeliest tokens at its position, and all attention weights. Of a long text only the last
   * tokens are inspected: at most `most`, which is small for a large model.
   */
  look(prompt: string, written = ""): Promise<InspectedText> {
    return this.#ask((api) => api.inspect(prompt, written));
  }

  /** The logit lens: the prediction of each layer after a token of the text inspected last. */
  lens(position: number): Promise<LensRow[]> {
    return this.#ask((api) => api.plain("lens", position));
  }

  /** Frees the memory of the inspected text. */
  forget(): Promise<void> {
    return this.#ask((api) => api.plain("forgetInspection"));
  }

  /** A map of the token embeddings along their two principal components. */
  tokenMap(): Promise<TokenMap> {
    return this.#ask((api) => api.tokenMap());
  }

  /** The ten tokens whose embeddings are most similar to that of a token. */
  nearest(id: number): Promise<NearToken[]> {
    return this.#ask((api) => api.plain("nearestTokens", id));
  }

  /** The run's next training step on one window, stage by stage. A copy of the model computes it. */
  slowMotion(): Promise<SlowMotion> {
    return this.#ask((api) => api.slowMotion());
  }
}
