// What takes its time in the worker: it reports its progress, and the person can cancel it.
import type { NamedFile } from "../shared/protocol";

/** Milliseconds between two reports on one call: data may arrive a few KB at a time. */
const between = 100;

/** How a call is watched while it is under way. */
export interface Watch {
  signal: AbortSignal;
  /** Bytes of all files together. */
  progress(loaded: number, total: number): void;
  /** Each file when it is whole; what this throws ends the transfer. */
  arrived?(file: NamedFile): Promise<void>;
}

export class UnderWay {
  readonly #report: (call: number, loaded: number, total: number) => void;
  readonly #calls = new Map<number, AbortController>();

  constructor(report: (call: number, loaded: number, total: number) => void) {
    this.#report = report;
  }

  /** Does the work. Its progress is reported with the call, the last of it before the work ends. */
  async watch<T>(call: number, work: (watch: Watch) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    this.#calls.set(call, abort);
    let latest: [number, number] = [0, 0];
    let soon: ReturnType<typeof setTimeout> | undefined;
    const send = () => {
      clearTimeout(soon);
      soon = undefined;
      this.#report(call, ...latest);
    };
    const progress = (loaded: number, total: number) => {
      latest = [loaded, total];
      // The last progress before a long wait is reported, too.
      soon ??= setTimeout(send, between);
    };
    try {
      return await work({ signal: abort.signal, progress });
    } finally {
      if (soon !== undefined) send();
      this.#calls.delete(call);
    }
  }

  end(call: number): void {
    this.#calls.get(call)?.abort();
  }
}
