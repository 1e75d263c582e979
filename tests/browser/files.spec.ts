// Model files: exported, opened, saved in the browser, downloaded from an address; and damaged ones are refused.
import { expect, test } from "./guard";
import { open, prepare, problem, ready, tinyRun } from "./lorito";
import { onceIsEnough } from "./person";

test("models are exported to files and opened unchanged", async ({ page }, { project }) => {
  await open(page, project.name);
  await prepare(page);
  const seen = await page.evaluate(async (run) => {
    const { lorito } = window;
    await lorito.train({ ...run, steps: 3 });
    const ids = await lorito.encode("The ship");
    const before = await lorito.logits(ids);
    const file = await lorito.exportModel("safetensors", "ship");
    const folder = await lorito.exportModel("huggingface", "ship");
    await lorito.createModel({ preset: "tiny" });
    const told: unknown[] = [];
    lorito.on("model", (model) => told.push(model?.parameters));
    const opened = await lorito.importModel(file);
    const after = await lorito.logits(ids);
    // After it is opened, it can be trained further.
    const { step } = await lorito.train({ ...run, steps: 2 });
    return {
      vocabSize: opened.vocabSize,
      told,
      parameters: opened.parameters,
      before: [...before],
      after: [...after],
      step,
      zip: [...new Uint8Array(await folder.slice(0, 4).arrayBuffer())],
      folder: new TextDecoder("latin1").decode(await folder.arrayBuffer()),
      type: folder.type,
    };
  }, tinyRun);
  expect(seen.before).toHaveLength(seen.vocabSize);
  expect(seen.after).toEqual(seen.before);
  expect(seen.told).toEqual([seen.parameters]);
  expect(seen.step).toBeGreaterThanOrEqual(2);
  expect(seen.zip).toEqual([0x50, 0x4b, 3, 4]);
  expect(seen.type).toBe("application/zip");
  // Training can be continued in Python.
  expect(seen.folder).toContain("continue_training.py");
  expect(seen.folder).toContain("continue_training.ipynb");
});

test.describe("one engine is enough", () => {
  onceIsEnough();

  test("damaged model files are refused, and the model stays", async ({ page }, { project }) => {
    await open(page, project.name);
    await prepare(page);
    for (const [call, code] of [
      ["importModel(new Blob([]))", "file-truncated"],
      ["importModel(new Blob([new Uint8Array(8).fill(255)]))", "header-too-large"],
      ["importModel(new Blob(['no model at all, just words']))", "header-too-large"],
      ["exportModel('safetensors').then((file) => lorito.importModel(file.slice(0, -1)))", "file-truncated"],
    ] as const)
      expect(await problem(page, call), call).toMatchObject({ code });
    expect((await page.evaluate(() => window.lorito.modelSummary()))?.config.width).toBe(32);
  });

  test("models are saved in the browser", async ({ page }, { project }) => {
    await open(page, project.name);
    await prepare(page);
    const seen = await page.evaluate(async () => {
      const { lorito } = window;
      const names = [
        await lorito.saveModel("my/ship"),
        await lorito.saveModel("my ship"),
        await lorito.saveModel(".."),
      ];
      const renamed = await lorito.renameModel("my ship 2", "boat");
      const listed = await lorito.savedModels();
      const file = await lorito.savedModelFile("boat");
      const opened = await lorito.openModel("boat");
      await lorito.deleteModel("boat");
      const left = await lorito.savedModels();
      const used = await lorito.storageUsed();
      return { names, renamed, listed, size: file.size, opened: opened.parameters, left, used };
    });
    expect(seen.names).toEqual(["my ship", "my ship 2", "model"]);
    expect(seen.renamed).toBe("boat");
    expect(seen.listed.map(({ name }) => name).sort()).toEqual(["boat", "model", "my ship"]);
    expect(seen.listed.every(({ bytes }) => bytes === seen.size)).toBe(true);
    expect(seen.opened).toBeGreaterThan(0);
    expect(seen.left.map(({ name }) => name).sort()).toEqual(["model", "my ship"]);
    expect(seen.used.used).toBeGreaterThan(0);
    expect(await problem(page, "openModel('boat')")).toMatchObject({ code: "no-such-model", name: "boat" });
    expect(await problem(page, "deleteModel('boat')")).toMatchObject({ code: "no-such-model" });
    // They still exist after a reload.
    await page.reload();
    await ready(page);
    expect(await page.evaluate(() => window.lorito.savedModels())).toHaveLength(2);
  });

  test("models open from an address, and damaged ones are refused", async ({ page, guard }, { project }) => {
    // The browser itself logs failed responses.
    guard.allowed.push(/Failed to load resource/, /elsewhere\.example/);
    await open(page, project.name);
    await prepare(page);
    const file = Buffer.from(
      await page.evaluate(async () => [
        ...new Uint8Array(await (await window.lorito.exportModel("safetensors")).arrayBuffer()),
      ]),
    );
    const contentType = "application/octet-stream";
    await page.route("**/shared/good", (route) => route.fulfill({ body: file, contentType }));
    await page.route("**/shared/short", (route) => route.fulfill({ body: file.subarray(0, -9), contentType }));
    await page.route("**/shared/long", (route) => route.fulfill({ body: Buffer.concat([file, file]), contentType }));
    await page.route("**/shared/page", (route) => route.fulfill({ body: "<!doctype html><title>Sorry</title>" }));
    await page.route("**/shared/none", (route) => route.fulfill({ status: 404, body: "" }));
    // Playwright allows every page to read the responses that it fulfils, unless their headers differ.
    const closed = { "access-control-allow-origin": "https://friend.example", "content-type": contentType };
    await page.route("https://elsewhere.example/closed", (route) => route.fulfill({ body: file, headers: closed }));
    await page.route("https://elsewhere.example/open", (route) => route.fulfill({ body: file, contentType }));
    await page.route("https://elsewhere.example/gone", (route) => route.abort());

    expect(await problem(page, "importFromUrl('shared/none')")).toMatchObject({ code: "download-failed", status: 404 });
    expect(await problem(page, "importFromUrl('shared/short')")).toMatchObject({ code: "file-truncated" });
    expect((await problem(page, "importFromUrl('shared/long')")).code).toMatch(/file-truncated|safetensors-invalid/);
    expect(await problem(page, "importFromUrl('shared/page')")).toMatchObject({ code: "download-is-page" });
    expect(await problem(page, "importFromUrl('javascript:1')")).toMatchObject({ code: "address-invalid" });
    expect(await problem(page, "importFromUrl('http://')")).toMatchObject({ code: "address-invalid" });
    // The page is isolated here, so the browser does not tell it the reason in either case.
    expect(await problem(page, "importFromUrl('https://elsewhere.example/closed')")).toMatchObject({
      code: "download-blocked",
      kind: "or-gone",
    });
    expect(await problem(page, "importFromUrl('https://elsewhere.example/open')")).toEqual({ code: "none" });
    expect(await problem(page, "importFromUrl('https://elsewhere.example/gone')")).toMatchObject({
      code: "download-blocked",
      kind: "or-gone",
    });
    const seen = await page.evaluate(async () => {
      const loaded: [number, number][] = [];
      const model = await window.lorito.importFromUrl("shared/good", (done, total) => loaded.push([done, total]));
      return { width: model.config.width, loaded };
    });
    expect(seen.width).toBe(32);
    expect(seen.loaded.at(-1)).toEqual([file.length, file.length]);
  });
});
