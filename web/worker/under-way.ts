// What takes its time in the worker: it reports its progress, and the person can cancel it.
import type { NamedFile } from "../shared/protocol";

/** Milliseconds between two words on one call: what comes in may be a few KB at a time. */
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

  /** Does the work; what it tells of its progress is told of the call, the last of it before the work's own end. */
  async watch<T>(call: number, work: (watch: Watch) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    this.#calls.set(call, abort);
    let latest: [number, number] = [0, 0];
    let soon: ReturnType<typeof setTimeout> | undefined;
    const tell = () => {
      clearTimeout(soon);
      soon = undefined;
      this.#report(call, ...latest);
    };
    const progress = (loaded: number, total: number) => {
      latest = [loaded, total];
      // The last progress before a long wait is reported, too.
      soon ??= setTimeout(tell, between);
    };
    try {
      return await work({ signal: abort.signal, progress });
    } finally {
      if (soon !== undefined) tell();
      this.#calls.delete(call);
    }
  }

  end(call: number): void {
    this.#calls.get(call)?.abort();
  }
}
