// Serializes access to the session. The crate's `Session` must not be called during another call, async ones included:
// all code uses one `Guarded`.
import { Mutex } from "../shared/mutex";

/** A value with exclusive access for one caller at a time. */
export class Guarded<V> {
  readonly #value: V;
  readonly #mutex = new Mutex();
  readonly #failed: (thrown: unknown) => void | Promise<void>;

  /** `failed` sees every error that is thrown during an access, before the caller does. */
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
 * Lets the worker receive messages from the page. A microtask would not, and `setTimeout` waits 4 ms when it is nested,
 * which is as long as a small model's step.
 */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
}
