// Decides when to give up an engine that is lost repeatedly. Times are in milliseconds, of a monotonic clock.

/** The limit of losses without a new step or checkpoint in between. */
const withoutProgress = { most: 3, within: 60_000 };
/** The limit of all losses: an engine that gets a little further each time would be restarted for ever. */
const inAll = { most: 25, within: 600_000 };

export class Losses {
  #losses: { at: number; progress: boolean }[] = [];

  /** Counts a loss; returns whether the limit is exceeded. */
  add(at: number): boolean {
    this.#losses = [...this.#losses.filter((loss) => at - loss.at < inAll.within), { at, progress: false }];
    const stuck = this.#losses.filter((loss) => !loss.progress && at - loss.at < withoutProgress.within);
    return stuck.length >= withoutProgress.most || this.#losses.length >= inAll.most;
  }

  /** A run has reached a new furthest step. */
  progressed(): void {
    for (const loss of this.#losses) loss.progress = true;
  }

  /** Resets the counts for another engine. */
  clear(): void {
    this.#losses = [];
  }
}
