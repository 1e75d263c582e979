// How often an engine may be lost before it is given up. Times are in milliseconds, of a clock that never goes back.

/** Losses without a step or a checkpoint in between that went beyond those before. */
const withoutProgress = { most: 3, within: 60_000 };
/** All losses, as an engine that gets a little further each time would be tried for ever. */
const inAll = { most: 25, within: 600_000 };

export class Losses {
  #losses: { at: number; progress: boolean }[] = [];

  /** Counts a loss; whether it is one too many. */
  add(at: number): boolean {
    this.#losses = [...this.#losses.filter((loss) => at - loss.at < inAll.within), { at, progress: false }];
    const stuck = this.#losses.filter((loss) => !loss.progress && at - loss.at < withoutProgress.within);
    return stuck.length >= withoutProgress.most || this.#losses.length >= inAll.most;
  }

  /** A run has come further than ever before. */
  progressed(): void {
    for (const loss of this.#losses) loss.progress = true;
  }

  /** Another engine takes over. */
  clear(): void {
    this.#losses = [];
  }
}
