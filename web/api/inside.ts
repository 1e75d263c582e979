// `lorito.inside`: how the model reads and learns, in numbers. Nothing here changes the model or its run.
import type { LensRow, NearToken, SlowMotion, TokenMap } from "lorito-wasm";
import type { InspectedText, WorkerApi } from "../shared/protocol";

export class Inside {
  readonly #ask: <T>(question: (api: WorkerApi) => Promise<T>) => Promise<T>;

  constructor(ask: <T>(question: (api: WorkerApi) => Promise<T>) => Promise<T>) {
    this.#ask = ask;
  }

  /**
   * How the model reads `prompt` and what it wrote after it: of each token its probability, how surprised the model was, and the
   * ten likeliest tokens in its place; and how much each token attends to each. Of a long text the last tokens are looked at, of
   * which `most` says how many, and which of a large model are few.
   */
  look(prompt: string, written = ""): Promise<InspectedText> {
    return this.#ask((api) => api.inspect(prompt, written));
  }

  /** What each layer would say after a token of the text that was looked at last: the logit lens. */
  lens(position: number): Promise<LensRow[]> {
    return this.#ask((api) => api.plain("lens", position));
  }

  /** Frees the memory of the text that was looked at. */
  forget(): Promise<void> {
    return this.#ask((api) => api.plain("forgetInspection"));
  }

  /** The token embeddings as a map: their two principal components. */
  tokenMap(): Promise<TokenMap> {
    return this.#ask((api) => api.tokenMap());
  }

  /** The ten tokens whose embeddings are most like that of a token. */
  nearest(id: number): Promise<NearToken[]> {
    return this.#ask((api) => api.plain("nearestTokens", id));
  }

  /** The run's next training step taken apart, on one window of the text: computed on a copy of the model, which stays as it is. */
  slowMotion(): Promise<SlowMotion> {
    return this.#ask((api) => api.slowMotion());
  }
}
