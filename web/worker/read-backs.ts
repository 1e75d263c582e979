// Firefox looks only every 100 ms whether the GPU has finished what somebody waits for, as a buffer to be read, unless
// something is submitted meanwhile (bugzilla.mozilla.org 1870699). So empty submissions are made for as long as somebody
// waits. Each token that is written is a wait of its own.

/** Milliseconds between two empty submissions; browsers make 4 of it before long. */
const every = 2;

/** Whether this browser is Firefox. The others answer at once, and nothing is changed for them. */
const answersLate = /\bGecko\/\d/.test(navigator.userAgent);

/**
 * Has what waits for the GPU of this worker be answered at once. To be called before the engine starts; `queue` gives
 * that of the engine's device.
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
