// How fast training goes, and how much of its time goes elsewhere. Times in milliseconds unless said otherwise.

/** What the time of a run goes to. */
export type Work = "training" | "evaluation" | "sample" | "saving";

/** The speed shown is that of the last seconds: the first step compiles shaders, and machines get busy. */
const windowLength = 5000;

export class Pace {
  readonly #spent: Record<Work, number> = { training: 0, evaluation: 0, sample: 0, saving: 0 };
  /** The last stretches of training. */
  readonly #recent: { time: number; tokens: number }[] = [];
  #tokens = 0;
  #unbooked = 0;
  /** Seconds of the run before this call. */
  readonly #before: number;

  constructor(secondsBefore: number) {
    this.#before = secondsBefore;
  }

  /** Does some work on the clock. */
  async time<T>(kind: Work, work: () => T | PromiseLike<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      const time = performance.now() - start;
      this.#spent[kind] += time;
      this.#unbooked += time;
    }
  }

  /** What has been trained in `time`. */
  trained(tokens: number, time: number): void {
    this.#tokens += tokens;
    this.#recent.push({ time, tokens });
    let held = this.#recent.reduce((sum, stretch) => sum + stretch.time, 0);
    while (held > windowLength && this.#recent.length > 1) held -= this.#recent.shift()?.time ?? 0;
  }

  /** Seconds since the last call of this; for the run's own record. */
  book(): number {
    const seconds = this.#unbooked / 1000;
    this.#unbooked = 0;
    return seconds;
  }

  /** The run's time in all. */
  get elapsedSeconds(): number {
    return this.#before + this.#all / 1000;
  }

  get evaluationShare(): number {
    return this.#spent.training > 0 ? this.#spent.evaluation / this.#spent.training : 0;
  }

  /** Of the last seconds. */
  get tokensPerSecond(): number {
    const tokens = this.#recent.reduce((sum, stretch) => sum + stretch.tokens, 0);
    const time = this.#recent.reduce((sum, stretch) => sum + stretch.time, 0);
    return time > 0 ? (1000 * tokens) / time : 0;
  }

  /** What `tokens` take at that speed. */
  millisecondsFor(tokens: number): number {
    const speed = this.tokensPerSecond;
    return speed > 0 ? (1000 * tokens) / speed : 0;
  }

  /** Of the whole call. */
  get meanTokensPerSecond(): number {
    return this.#spent.training > 0 ? (1000 * this.#tokens) / this.#spent.training : 0;
  }

  /** Time for `tokens` more, with evaluations and the rest in the proportion seen so far. */
  secondsFor(tokens: number): number {
    // The evaluation before the first step would make the first guesses absurd.
    const whole = this.#spent.training > windowLength ? this.#all / this.#spent.training : 1;
    const speed = this.tokensPerSecond;
    return speed > 0 ? (tokens / speed) * whole : 0;
  }

  get #all(): number {
    return Object.values(this.#spent).reduce((sum, time) => sum + time, 0);
  }
}
