// The time limit for a silent host.

/** Milliseconds without a byte after which a request is given up. */
export const LONGEST_SILENCE = 30_000;

/** Awaits `work`; rejects with the value of `silent` if it takes longer than `limit` milliseconds. */
export function unlessSilent<T>(work: Promise<T>, silent: () => unknown, limit = LONGEST_SILENCE): Promise<T> {
  const parts = 10;
  let clock: ReturnType<typeof setInterval> | undefined;
  let passed = 0;
  const end = new Promise<never>((_, reject) => {
    // Counted in parts: a delay of the worker itself must not count as the host's silence.
    clock = setInterval(() => {
      passed += 1;
      if (passed >= parts) reject(silent());
    }, limit / parts);
  });
  return Promise.race([work, end]).finally(() => clearInterval(clock));
}
