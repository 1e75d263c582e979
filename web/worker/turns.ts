// Turn-taking in the worker. The crate's `Session` must never be called while another call is under way, async ones
// included: everybody reaches it through one `Guarded`.
import { Mutex } from "../shared/mutex";

/** A value that can be touched only in turns. */
export class Guarded<V> {
  readonly #value: V;
  readonly #mutex = new Mutex();
  readonly #failed: (thrown: unknown) => void | Promise<void>;

  /** `failed` sees everything that is thrown in a turn; the one who asked does once it is done. */
  constructor(value: V, failed: (thrown: unknown) => void | Promise<void>) {
    this.#value = value;
    this.#failed = failed;
  }

  use<T>(work: (value: V) => T | PromiseLike<T>): Promise<T> {
    return this.#mutex.run(async () => {
      try {
        return await work(this.#value);
      } catch (thrown) {
        await this.#failed(thrown);
        throw thrown;
      }
    });
  }
}

const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

/**
 * Lets messages from the page in. A microtask would not, and `setTimeout` waits 4 ms when it is nested, which is as long
 * as a small model's step.
 */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
