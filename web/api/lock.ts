// Lets only one tab at a time write runs to the browser's storage. The page holds the lock, not the worker, so it outlives
// a worker that is replaced; the browser releases it when the page is closed, and grants it to the next tab in the queue.
import { lockName } from "../shared/home";

/** Number of attempts before another tab is assumed to have the lock: after a reload the old page may hold it briefly. */
const looks = 10;
const pause = 100;

export class RunLock {
  /** Its name; undefined where nothing is stored, so that there is nothing to lock. */
  readonly #name: string | undefined;
  readonly #granted: () => void;
  #release = () => {};
  #held = false;
  #asked = false;

  /** `granted` is called once this tab has the lock, however long that takes. */
  constructor(storage: string | false, granted: () => void) {
    // Plain http has neither locks nor storage.
    this.#name = storage !== false && "locks" in navigator ? lockName(storage, "lorito-run") : undefined;
    this.#granted = granted;
  }

  /** Requests the lock for the rest of the page's life. False: another tab has it; it is granted once that tab is closed. */
  async take(): Promise<boolean> {
    if (this.#name === undefined) return true;
    this.#ask(this.#name);
    // No timer: however busy the page is, a free lock is granted before the response to a query that was sent later.
    for (let look = 0; look < looks && !this.#held; look++) {
      if (look > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      await navigator.locks.query();
    }
    return this.#held;
  }

  /** Gives it to the next tab or instance in the queue. */
  release(): void {
    this.#release();
  }

  #ask(name: string): void {
    if (this.#asked) return;
    this.#asked = true;
    const untilReleased = () => {
      this.#held = true;
      this.#granted();
      return new Promise<void>((resolve) => {
        this.#release = resolve;
      });
    };
    navigator.locks.request(name, untilReleased).catch(() => {
      this.#asked = false; // the browser refuses for now
    });
  }

  /** Whether another tab has the lock. */
  async isElsewhere(): Promise<boolean> {
    if (this.#name === undefined) return false;
    for (let look = 0; look < looks; look++) {
      if (look > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      const { held = [] } = await navigator.locks.query();
      if (this.#held || !held.some((lock) => lock.name === this.#name)) return false;
    }
    return true;
  }
}
