// How long a host may say nothing, wherever something is asked of it.

/** Milliseconds without a byte after which nothing more is expected. */
export const LONGEST_SILENCE = 30_000;

/** `work`, unless it takes longer than a host may be silent: then rejects with what `silent` gives. */
export function unlessSilent<T>(work: Promise<T>, silent: () => unknown, limit = LONGEST_SILENCE): Promise<T> {
  const parts = 10;
  let clock: ReturnType<typeof setInterval> | undefined;
  let passed = 0;
  const end = new Promise<never>((_, reject) => {
    // Counted in parts: a worker that was itself held up does not take that for the host's silence.
    clock = setInterval(() => {
      passed += 1;
      if (passed >= parts) reject(silent());
    }, limit / parts);
  });
  return Promise.race([work, end]).finally(() => clearInterval(clock));
}
