// The parts of the wasm: they are downloaded when something needs them, and not before.
import type { Page } from "@playwright/test";
import type { TextSummary } from "../../web/api/lorito";
import { expect, test } from "./guard";
import { open, problem } from "./lorito";
import { ended, press, step, takeSample, visit } from "./person";

const name = "lorito_deferred.wasm";

interface Begun {
  begun(): Promise<void>;
}

/** Records all further downloads of a part. */
function downloads(page: Page, part = name): string[] {
  const seen: string[] = [];
  page.context().on("request", (request) => {
    if (request.url().endsWith(part) && !request.serviceWorker()) seen.push(request.url());
  });
  return seen;
}

const chat = Array.from(
  { length: 40 },
  (_, day) => `1/${1 + (day % 28)}/24, 9:0${day % 10} PM - ${day % 2 ? "Leo" : "Ana"}: message number ${day}`,
).join("\n");

test("a run on a sample takes its first step without the deferred part, which is fetched afterwards", async ({ page }, {
  project,
}) => {
  const seen = downloads(page);
  await visit(page, project.name);
  await takeSample(page);
  await expect(step(page, "Text").locator("pre").first()).toBeVisible();
  let begun = () => {};
  const firstStep = new Promise<void>((resolve) => {
    begun = resolve;
  });
  await page.exposeFunction("begun", begun);
  await page.evaluate(() => window.lorito.on("progress", () => void (window as unknown as Begun).begun()));
  // A run that needed it earlier would never end.
  await page.context().route(`**/${name}`, (route) => firstStep.then(() => route.continue()));
  await press(page, "Train now");
  await ended(page);
  expect(seen).toHaveLength(1);
});

test("the GPU's engine is downloaded for the GPU alone", async ({ page }, { project }) => {
  const seen = downloads(page, "lorito_gpu.wasm");
  await visit(page, project.name);
  await takeSample(page);
  await press(page, "Train now");
  await ended(page);
  await page.evaluate(async () => {
    await window.lorito.generate("The ", { maxTokens: 8 });
    await window.lorito.saveModel("copy");
    await window.lorito.exportModel("gguf-f16");
  });
  expect(seen).toHaveLength(project.name === "webgpu" ? 1 : 0);
});

test("a chat in a text file is read although the deferred part is not loaded yet", async ({ page }) => {
  await open(page, "cpu");
  const seen = downloads(page);
  const summary = await page.evaluate((text) => window.lorito.addText("notes.txt", new Blob([text])), chat);
  expect(summary.sources[0]).toMatchObject({ name: "notes.txt" });
  expect(summary.sources[0]?.turns).toBeGreaterThan(10);
  expect(seen).toHaveLength(1);
});

test("calls that need the deferred part report its absence, and work once it can be fetched", async ({
  page,
  guard,
}) => {
  await open(page, "cpu");
  guard.allowed.push(/Failed to load resource/);
  await page.context().route(`**/${name}`, (route) => route.abort());
  const table = `"rows.csv", new Blob(["text\\nThe tide comes in.\\nThe tide goes out.\\n"])`;
  expect(await problem(page, `addText(${table})`)).toMatchObject({ code: "part-missing" });
  await page.context().unroute(`**/${name}`);
  const summary = await page.evaluate<TextSummary>(`lorito.addText(${table})`);
  expect(summary.documents).toBe(2);
});

test("a text that cannot be read without the deferred part does not stop the worker", async ({ page, guard }) => {
  await open(page, "cpu");
  guard.allowed.push(/Failed to load resource/, /PartMissing|deferred/);
  await page.context().route(`**/${name}`, (route) => route.abort());
  await page.evaluate((text) => window.lorito.addText("notes.txt", new Blob([text])).catch(() => {}), chat);
  await page.context().unroute(`**/${name}`);
  await expect
    .poll(() =>
      page.evaluate(() =>
        window.lorito.addText("tide.txt", new Blob(["The tide comes in."])).then(
          ({ sources }) => sources.map(({ name }) => name),
          () => [],
        ),
      ),
    )
    .toContain("tide.txt");
});
