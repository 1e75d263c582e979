// Speeds up read-backs in Firefox, which checks only every 100 ms whether the GPU has finished the work that a promise
// waits for, unless something is submitted meanwhile (bugzilla.mozilla.org 1870699). So empty command lists are submitted
// while a promise is pending. Each generated token needs a read-back.

/** Milliseconds between two empty submissions; browsers soon clamp it to 4. */
const every = 2;

/** Whether this browser is Firefox. Other browsers resolve at once, and nothing is changed for them. */
const answersLate = /\bGecko\/\d/.test(navigator.userAgent);

/**
 * Makes this worker's read-backs resolve at once. Call before the engine starts; `queue` returns that of the engine's
 * device.
 */
export function hurryReadBacks(queue: () => GPUQueue | undefined): void {
  if (!answersLate || !("GPUBuffer" in globalThis)) return;
  let waiting = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const submitEmpty = () => {
    timer = undefined;
    if (waiting === 0) return;
    queue()?.submit([]);
    timer = setTimeout(submitEmpty, every);
  };
  const hurried = <T>(answer: Promise<T>): Promise<T> => {
    waiting++;
    const answered = () => {
      waiting--;
    };
    answer.then(answered, answered);
    clearTimeout(timer);
    submitEmpty();
    return answer;
  };

  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = function (...range) {
    return hurried(mapAsync.apply(this, range));
  };
  const { onSubmittedWorkDone } = GPUQueue.prototype;
  GPUQueue.prototype.onSubmittedWorkDone = function () {
    return hurried(onSubmittedWorkDone.call(this));
  };
}
