// Tracks long calls in the worker: reports their progress, and lets the user cancel them.
import type { NamedFile } from "../shared/protocol";

/** Milliseconds between two progress reports of one call: data may arrive in pieces of a few KB. */
const between = 100;

/** The progress callbacks of a call. */
export interface Watch {
  signal: AbortSignal;
  /** Bytes of all files together. */
  progress(loaded: number, total: number): void;
  /** Called with each complete file; an error thrown here ends the transfer. */
  arrived?(file: NamedFile): Promise<void>;
}

export class UnderWay {
  readonly #report: (call: number, loaded: number, total: number) => void;
  readonly #calls = new Map<number, AbortController>();

  constructor(report: (call: number, loaded: number, total: number) => void) {
    this.#report = report;
  }

  /** Runs the work. Its progress is reported under the call's number, the last report before the work ends. */
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
      // The last report before a long wait must be sent, too.
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
