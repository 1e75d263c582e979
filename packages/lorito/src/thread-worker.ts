// A thread of Node with the interface of a browser's worker, as far as Lorito and Comlink use it.
import { Worker as Thread, type TransferListItem } from "node:worker_threads";

/** What a thread says of an error that nobody in it caught. */
export interface UncaughtError {
  uncaught: string;
}

const isUncaught = (data: unknown): data is UncaughtError =>
  typeof data === "object" && data !== null && "uncaught" in data;

export class ThreadWorker extends EventTarget {
  readonly #thread: Thread;

  constructor(script: URL | string) {
    super();
    this.#thread = new Thread(new URL("./thread.js", import.meta.url), { workerData: String(script) });
    this.#thread.on("message", (data) => {
      if (isUncaught(data)) this.#fail(data.uncaught);
      else this.dispatchEvent(new MessageEvent("message", { data }));
    });
    this.#thread.on("messageerror", () => this.dispatchEvent(new Event("messageerror")));
    this.#thread.on("error", ({ message }) => this.#fail(message));
  }

  #fail(message: string): void {
    this.dispatchEvent(Object.assign(new Event("error", { cancelable: true }), { message }));
  }

  postMessage(message: unknown, transfer: readonly unknown[] = []): void {
    this.#thread.postMessage(message, transfer as TransferListItem[]);
  }

  terminate(): void {
    void this.#thread.terminate();
  }
}
