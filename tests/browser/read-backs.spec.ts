// Read-backs from the GPU are fast, also in Firefox.
import { expect, test } from "./guard";
import { openWith, prepare, tinyRun } from "./lorito";

/** Runs in the worker: imitates Firefox, which checks only every 100 ms, or at a submission, whether the GPU has finished. */
function likeFirefox(): void {
  const counts = { answers: 0, late: 0 };
  Object.assign(globalThis, { counts });
  const name = "Mozilla/5.0 (X11; Linux x86_64; rv:159.0) Gecko/20100101 Firefox/159.0";
  Object.defineProperty(Object.getPrototypeOf(navigator), "userAgent", { get: () => name });
  const atSubmission: (() => void)[] = [];
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (commands) {
    submit.call(this, commands);
    for (const see of atSubmission.splice(0)) see();
  };
  const { mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.mapAsync = async function (...range) {
    await mapAsync.apply(this, range);
    counts.answers++;
    const late = () => counts.late++;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => resolve(void late()), 100);
      atSubmission.push(() => resolve(clearTimeout(timer)));
    });
  };
}

test("read-backs are fast in a browser that checks the GPU only every 100 ms", async ({ page }, { project }) => {
  test.skip(project.name !== "webgpu", "the CPU engine has nothing to wait for");
  await openWith(page, `(${likeFirefox})();`, "?engine=webgpu");
  await prepare(page);
  await page.evaluate(async (run) => {
    await window.lorito.train({ ...run, steps: 2 });
    await window.lorito.generate("Day", { maxTokens: 20, temperature: 0 });
  }, tinyRun);
  const counts = await page
    .workers()[0]
    ?.evaluate(() => (globalThis as unknown as { counts: { answers: number; late: number } }).counts);
  expect(counts?.answers).toBeGreaterThan(20);
  expect(counts?.late).toBe(0);
});
