// One tab at a time may write the run to the browser's storage. The lock is the page's and not the worker's, so it
// outlives a worker that is replaced; the browser frees it when the page is gone.

const name = "lorito-run";
/** After a reload the page that was may hold the lock for a moment. */
const patience = 1000;

export class RunLock {
  #held: Promise<boolean> | undefined;

  /** Takes the lock for the rest of the page's life; false if another tab has it. */
  async take(): Promise<boolean> {
    this.#held ??= this.#ask();
    const held = await this.#held;
    if (!held) this.#held = undefined; // the other tab may be gone next time
    return held;
  }

  #ask(): Promise<boolean> {
    if (!("locks" in navigator)) return Promise.resolve(true); // plain http: there is no storage either
    return new Promise((resolve) => {
      const forEver = () => {
        resolve(true);
        return new Promise<never>(() => {});
      };
      navigator.locks.request(name, { signal: AbortSignal.timeout(patience) }, forEver).catch(() => resolve(false));
    });
  }

  /** Whether another tab has it. */
  async isElsewhere(): Promise<boolean> {
    if (!("locks" in navigator) || this.#held) return false;
    for (const end = performance.now() + patience; performance.now() < end; ) {
      const { held = [] } = await navigator.locks.query();
      if (!held.some((lock) => lock.name === name)) return false;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return true;
  }
}
