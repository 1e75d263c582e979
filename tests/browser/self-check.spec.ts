// A GPU is trusted once it has computed a run's first batch like the CPU. SwiftShader passes; here it is also broken on
// purpose, in the worker, like a driver that compiles a kernel wrongly.
import type { Page } from "@playwright/test";
import type { Problem } from "../../web/shared/errors";
import { expect, test } from "./guard";
import { open, prepare, ready, tinyRun } from "./lorito";

test.beforeEach(({ browserName: _ }, { project }) => test.skip(project.name !== "webgpu", "needs a GPU"));

/** Opens the page with `script` run in the worker before the worker's own. */
async function openWith(page: Page, script: string, query: string): Promise<void> {
  await page.route("**/worker.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${script}\n${await response.text()}` });
  });
  await page.goto(query);
  await ready(page);
}

/** Hides that this GPU is software. */
const pretence = `Object.defineProperty(GPUAdapter.prototype, "info", {
  value: { vendor: "acme", architecture: "", device: "", description: "", isFallbackAdapter: false } });`;

/** Makes square roots wrong, which layer norms and the optimizer need; everything else stays right. */
const roots = (instead: string) => `{
  const make = GPUDevice.prototype.createShaderModule;
  GPUDevice.prototype.createShaderModule = function (wanted) {
    return make.call(this, { ...wanted, code: wanted.code.replaceAll(/\\b(inverseSqrt|sqrt)\\(/g, "${instead}") });
  };
}`;
const wrong = roots("abs(");
const noNumber = roots("log(-1.0 - ");

const notices = (page: Page) =>
  page.evaluate(() => {
    const told: Problem[] = [];
    Object.assign(window, { told });
    window.lorito.on("notice", (notice) => told.push(notice));
  });
const told = (page: Page) => page.evaluate(() => (window as unknown as { told: Problem[] }).told);

test("a GPU that computes correctly passes, once for each set of kernels", async ({ page }) => {
  await open(page, "webgpu");
  await prepare(page);
  await notices(page);
  const reports = await page.evaluate(async (run) => {
    const { lorito } = window;
    await lorito.train({ ...run, steps: 3 });
    const first = await lorito.report();
    await lorito.train({ ...run, steps: 3 });
    return [first, await lorito.report()];
  }, tinyRun);
  const check =
    /^self-check: passed, loss differs by (\S+), gradient by (\S+), 0.001 allowed, 128 tokens of this model$/m;
  const [, loss, gradient] = (reports[0] ?? "").match(check) ?? [];
  expect(Number(loss)).toBeLessThan(1e-5);
  expect(Number(gradient)).toBeLessThan(1e-5);
  // A second check would have another loss, as the model has been trained.
  expect((reports[1] ?? "").match(check)?.slice(1)).toEqual([loss, gradient]);
  expect(await told(page)).toEqual([]);
});

for (const [how, script] of [
  ["computes wrongly", wrong],
  ["computes no numbers", noNumber],
] as const) {
  test(`one that ${how} is replaced by the CPU, without losing state`, async ({ page }) => {
    await openWith(page, pretence + script, "");
    expect(await page.evaluate(() => window.lorito.ready)).toMatchObject({ engine: "webgpu", reason: "gpu-found" });
    await prepare(page);
    await notices(page);
    const run = { ...tinyRun, steps: 12 };
    const seen = await page.evaluate(async (run) => {
      const { lorito } = window;
      const before = { text: await lorito.textSummary(), model: await lorito.modelSummary() };
      const result = await lorito.train(run);
      const after = { text: await lorito.textSummary(), model: await lorito.modelSummary() };
      const { steps, evaluations, samples } = await lorito.history();
      const [saved] = await lorito.savedRuns();
      const losses = steps.map(({ loss }) => loss);
      const evaluated = evaluations.map(({ step }) => step);
      return { before, after, result, losses, evaluated, samples, saved, report: await lorito.report() };
    }, run);
    expect(seen.result.step).toBe(12);
    expect(seen.after).toEqual(seen.before);
    expect(seen.evaluated).toEqual([0, 10, 12]);
    expect(seen.samples).toHaveLength(3);
    expect(seen.saved).toMatchObject({ step: 12, endStep: 12, textName: "log.txt" });
    const [failed, recovered, ...more] = await told(page);
    expect(failed).toMatchObject({ code: "self-check-failed", tolerance: 0.001 });
    expect(recovered).toMatchObject({ code: "recovered", engine: "cpu", reason: "self-check-failed", step: 0 });
    expect(more).toEqual([]);
    expect(seen.report).toMatch(/^engine: cpu \(self-check-failed\)$/m);
    expect(seen.report).toMatch(/^self-check: failed, loss differs by /m);
    expect(seen.report).toMatch(/^engines lost: self-check-failed$/m);
    await expect(page.getByText("so the processor took over")).toBeVisible();
    await expect(page.getByText(/^The graphics card or its driver computes wrongly: /)).toBeVisible();

    // The losses equal those of a run on the CPU alone.
    await page.unrouteAll();
    await open(page, "cpu");
    await prepare(page);
    const right = await page.evaluate(async (run) => {
      await window.lorito.train(run);
      return (await window.lorito.history()).steps.map(({ loss }) => loss);
    }, run);
    expect(seen.losses).toEqual(right);
  });
}

test("if the address requests the GPU, one that computes wrongly is reported and not used", async ({ page }) => {
  await openWith(page, wrong, "?engine=webgpu");
  await prepare(page);
  const refused = await page.evaluate(
    (run) =>
      window.lorito.train({ ...run, steps: 5 }).then(
        () => undefined,
        ({ code, fields }) => ({ code, kind: fields.kind }),
      ),
    tinyRun,
  );
  expect(refused).toEqual({ code: "self-check-failed", kind: "forced" });
});
