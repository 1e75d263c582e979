// Lets only one tab at a time write runs to the browser's storage. The page holds the lock, not the worker, so it outlives
// a worker that is replaced; the browser releases it when the page is closed, and grants it to the next tab in the queue.
import { lockName } from "../shared/home";
import { home } from "./home";

/** Number of attempts before another tab is assumed to have the lock: after a reload the old page may hold it briefly. */
const looks = 10;
const pause = 100;

const name = lockName(home, "lorito-run");

export class RunLock {
  readonly #granted: () => void;
  #held = false;
  #asked = false;

  /** `granted` is called once this tab has the lock, however long that takes. */
  constructor(granted: () => void) {
    this.#granted = granted;
  }

  /** Requests the lock for the rest of the page's life. False: another tab has it; it is granted once that tab is closed. */
  async take(): Promise<boolean> {
    if (!("locks" in navigator)) return true; // plain http has no storage either
    this.#ask();
    // No timer: however busy the page is, a free lock is granted before the response to a query that was sent later.
    for (let look = 0; look < looks && !this.#held; look++) {
      if (look > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      await navigator.locks.query();
    }
    return this.#held;
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    const forEver = () => {
      this.#held = true;
      this.#granted();
      return new Promise<never>(() => {});
    };
    navigator.locks.request(name, forEver).catch(() => {
      this.#asked = false; // the browser refuses for now
    });
  }

  /** Whether another tab has the lock. */
  async isElsewhere(): Promise<boolean> {
    if (!("locks" in navigator)) return false;
    for (let look = 0; look < looks; look++) {
      if (look > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      const { held = [] } = await navigator.locks.query();
      if (this.#held || !held.some((lock) => lock.name === name)) return false;
    }
    return true;
  }
}
