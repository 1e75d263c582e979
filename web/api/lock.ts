// One tab at a time may write runs to the browser's storage. The lock is the page's and not the worker's, so it
// outlives a worker that is replaced; the browser frees it when the page is gone, and gives it to the next tab that waits.
import { lockName } from "../shared/home";
import { home } from "./home";

/** How often to look before another tab has it: after a reload the page that was may hold it for a moment. */
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

  /** Asks for the lock for the rest of the page's life. False: another tab has it; it comes when that one is closed. */
  async take(): Promise<boolean> {
    if (!("locks" in navigator)) return true; // plain http: there is no storage either
    this.#ask();
    // No clock: however busy the page is, a free lock is here before the answer to a question that was put after it.
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

  /** Whether another tab has it. */
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
