// The main path as a user walks it: by the page's texts, with a mouse, a file chooser and a reload.
import { readFile } from "node:fs/promises";
import { expect, test } from "./guard";
import { drop, ended, figure, onceIsEnough, press, small, step, takeSample, train, visit, write } from "./person";

test("a model is trained on a sample, generates text, is exported in two formats and opened from one", async ({
  page,
}, { project }) => {
  await visit(page, project.name);
  await takeSample(page);
  await expect(figure(step(page, "Text"), "Characters")).toHaveText(/^\d\d,\d{3}$/);
  await press(page, "Train now");

  const training = step(page, "Train");
  await expect(training.getByText("Step 0", { exact: true }).first()).toBeVisible();
  await expect(figure(training, "Training loss")).toHaveText(/^\d\.\d{3}$/);
  await ended(page);
  await expect(training.getByText("Step 20 of 20")).toBeVisible();
  for (const name of [
    "Training loss",
    "Validation loss",
    "Perplexity",
    "Bits per byte",
    "Tokens per second",
    "Elapsed",
  ])
    await expect(figure(training, name)).toHaveText(/^[\d.,]+/);

  // The newest sample is above the earlier ones, down to the one of step 0.
  await expect(training.locator(".now")).toContainText("Step 20");
  await expect(training.locator(".before li")).toHaveCount(2);
  await expect(training.locator(".before li").last()).toContainText("Step 0");

  await expect(training.getByRole("img").locator("canvas")).toBeVisible();
  // The table has the chart's values.
  await training.getByText("The evaluations as a table").click();
  await expect(training.getByRole("row")).toHaveCount(4);
  await expect(training.getByRole("img")).toHaveAccessibleName(/training loss from \d\.\d+ to \d\.\d+/);

  expect((await write(page, "KEEPER:")).length).toBeGreaterThan(50);

  const share = step(page, "Share");
  await share.getByLabel("Name").fill("Quiet bell");
  const one = page.waitForEvent("download");
  await press(share, "Download one file");
  const file = await one;
  expect(file.suggestedFilename()).toBe("Quiet-bell.safetensors");
  const folder = page.waitForEvent("download");
  await press(share, "Download Hugging Face folder");
  expect((await folder).suggestedFilename()).toBe("Quiet-bell.zip");
  expect(
    [...(await readFile(await (await folder).path())).subarray(0, 2)].map((byte) => String.fromCharCode(byte)).join(""),
  ).toBe("PK");

  await page.reload();
  await expect(page.getByText("Your last model is still here")).toBeVisible();
  const chooser = page.waitForEvent("filechooser");
  await press(share, "Open a model file");
  await (await chooser).setFiles({
    name: "Quiet-bell.safetensors",
    mimeType: "",
    buffer: await readFile(await file.path()),
  });
  await expect(share.getByText("Quiet-bell.safetensors is open.")).toBeVisible();
  expect((await write(page, "BAKER:")).length).toBeGreaterThan(50);
});

test.describe("one engine is enough", () => {
  onceIsEnough();

  test("training is paused, continued, stopped, extended, and started over", async ({ page }) => {
    await visit(page, "cpu", `${small}&steps=5000&evalEvery=1000`);
    await takeSample(page);
    await press(page, "Train now");
    const training = step(page, "Train");
    await press(training, "Pause");
    const label = training.getByText(/^Step \d/).first();
    await expect(training.getByRole("button", { name: "Continue", exact: true })).toBeVisible();
    const paused = await label.textContent();
    await page.waitForTimeout(700);
    expect(await label.textContent()).toBe(paused);
    await press(training, "Continue");
    await expect(label).not.toHaveText(paused ?? "");
    await press(training, "Stop");
    await ended(page);
    await expect(training.locator(".hint", { hasText: /^Trained up to step / })).toBeVisible();

    // Changed settings make another model only after the user confirms.
    await step(page, "Model").getByText("Change", { exact: true }).click();
    await step(page, "Model").getByLabel("Width").fill("16");
    await page.keyboard.press("Tab");
    await expect(training.getByText("“Start over” makes a new one")).toBeVisible();
    page.once("dialog", (dialog) => dialog.accept());
    await press(training, "Start over");
    await expect(step(page, "Model").getByText(/width 16, .* made and ready/)).toBeVisible();
    await press(training, "Stop");
    await ended(page);
  });

  test("typed text stays during training", async ({ page }) => {
    await visit(page, "cpu", `${small}&steps=20000&evalEvery=5000`);
    await takeSample(page);
    const training = step(page, "Train");
    await training.getByText("Change", { exact: true }).click();
    await press(page, "Train now");
    const rate = training.getByLabel("Learning rate");
    const label = training.getByText(/^Step \d/).first();
    const before = await label.textContent();
    await rate.fill("");
    for (const key of "0.025") {
      await page.keyboard.type(key);
      await page.waitForTimeout(200); // the page is rendered at every training event
    }
    await expect(label).not.toHaveText(before ?? "");
    await page.keyboard.press("Tab");
    await expect(rate).toHaveValue("0.025");
    await press(training, "Stop");
    await ended(page);
  });

  test("a run can be continued after a reload during training", async ({ page }) => {
    await visit(page, "cpu", `${small}&steps=3000&evalEvery=1000`);
    await takeSample(page);
    await press(page, "Train now");
    const training = step(page, "Train");
    await expect(figure(training, "Saved here")).toHaveText(/\d/);
    await press(training, "Pause"); // saves a checkpoint
    await expect(training.getByRole("button", { name: "Continue", exact: true })).toBeVisible();
    await page.reload();
    await expect(page.getByText("A training run was cut off")).toBeVisible();
    await expect(page.getByText(/It learns from harbour\.txt/)).toBeVisible();
    await press(page, "Continue this run");
    await expect(training.getByText(/of 3,000$/)).toBeVisible();
    await press(training, "Stop");
    await ended(page);

    await page.reload();
    await expect(page.getByText(/^[\d.]+ [kM]B of the .+ are used\.$/)).toBeVisible();
    const used = () => page.evaluate(async () => (await window.lorito.storageUsed()).used);
    const before = await used();
    page.once("dialog", (dialog) => dialog.accept());
    await press(page, "Discard it");
    // The run's record, which is small, is kept.
    await expect.poll(used).toBeLessThan(before / 2);
    await page.reload();
    await expect(page.getByText(/^Runs on the /)).toBeVisible();
    await expect(page.getByText("A training run was cut off")).toBeHidden();
  });

  test("runs are listed, and training another model does not delete them", async ({ page }) => {
    const dialogs: string[] = [];
    page.on("dialog", (dialog) => {
      dialogs.push(dialog.message());
      void dialog.accept();
    });
    await visit(page, "cpu");
    await train(page);
    const share = step(page, "Share");
    const runs = share.locator("lorito-runs").getByRole("listitem");
    await expect(runs).toHaveText([/harbour\.txt.*step 20 of 20.*open now/s]);
    const bytes = await page.evaluate(async () => [
      ...new Uint8Array(await (await window.lorito.exportModel("safetensors")).arrayBuffer()),
    ]);
    await share
      .locator("#model-file")
      .setInputFiles({ name: "other.safetensors", mimeType: "", buffer: Buffer.from(bytes) });
    await expect(share.getByText("other.safetensors is open.")).toBeVisible();
    await press(step(page, "Train"), "Train 20 more steps");
    await ended(page);
    await expect(runs).toHaveText([/step 40 of 40.*open now/s, /step 20 of 20/]);
    expect(dialogs).toEqual([]);

    await page.reload();
    await expect(page.getByText("1 more run is kept on this device: see Share.")).toBeVisible();
    await expect(runs).toHaveText([/step 40 of 40/, /step 20 of 20/]);
    await press(runs.last(), /^Open: harbour\.txt, /);
    await expect(runs.last()).toContainText("open now");
    const download = page.waitForEvent("download");
    await press(runs.last(), /^Download: harbour\.txt, /);
    expect((await download).suggestedFilename()).toBe("harbour-20.lorito");
    await press(runs.first(), /^Discard: harbour\.txt, /);
    await expect(share.getByText("The run is discarded.")).toBeVisible();
    await expect(runs).toHaveText([/step 20 of 20.*open now/s]);
    expect(dialogs).toEqual(["Discard this run? What it learned cannot be brought back."]);
  });

  test("a downloaded run continues after it is opened, without its text", async ({ page }) => {
    await visit(page, "cpu");
    await train(page);
    const share = step(page, "Share");
    const download = page.waitForEvent("download");
    await press(share, /^Download: harbour\.txt, /);
    const file = await (await download).path();
    const bytes = await readFile(file);
    await page.reload();
    await page.setInputFiles("#model-file", { name: "away.lorito", mimeType: "", buffer: bytes });
    await expect(share.getByText("away.lorito is open.")).toBeVisible();
    await press(step(page, "Train"), "Train 20 more steps");
    await ended(page);
    await expect(step(page, "Train").getByText("Step 40 of 40")).toBeVisible();
  });

  test("the tokenizer shows the text in tokens, and the characters that it would drop", async ({ page }) => {
    await visit(page, "cpu");
    await takeSample(page);
    const tokens = step(page, "Tokens");
    await tokens.getByText("Change", { exact: true }).click();
    await press(tokens, "Train tokenizer");
    await expect(tokens.locator(".piece").first()).toHaveText("T");
    await tokens.getByLabel("Try a text of your own").fill("bell ñ");
    await expect(tokens.locator(".piece")).toHaveCount(6);
    await expect(tokens.getByText("and so left out: ñ")).toBeVisible();
    await tokens.getByLabel("Word pieces (BPE)").check();
    await tokens.getByLabel("Vocabulary").fill("400");
    await press(tokens, "Train tokenizer");
    await expect(figure(tokens, "Vocabulary")).toHaveText("400");
    await expect(figure(tokens, "Tokens per character")).toHaveText(/^0\.\d\d$/);
    await tokens.getByLabel("Bytes", { exact: true }).check();
    await press(tokens, "Train tokenizer");
    await expect(figure(tokens, "Vocabulary")).toHaveText("257");
    await expect(tokens.getByText("left out: ñ")).toBeHidden();
  });

  test("on a phone a step chosen in the navigation is not covered, and keeps its position", async ({ page }) => {
    await page.setViewportSize({ width: 390, height: 700 });
    await page.goto(`?engine=cpu#${small}`);
    const path = page.getByRole("navigation");
    for (const name of ["Train", "Tokens", "Model"]) {
      const link = path.getByRole("link", { name: new RegExp(name) });
      await link.click();
      const title = step(page, name).getByRole("heading", { name, exact: true });
      await expect(title).toBeFocused();
      // The navigation scrolls when the visible step changes: wait until it is at rest.
      await expect(link).toHaveAttribute("aria-current", "step");
      // The model's costs appear once the engine has started, above the visible part.
      await expect(figure(step(page, "Model"), "Parameters")).toBeVisible();
      const [bar, heading] = [await path.boundingBox(), await title.boundingBox()];
      expect(heading?.y).toBeGreaterThan((bar?.y ?? 0) + (bar?.height ?? 0));
      expect(heading?.y).toBeLessThan(100);
      await link.focus();
      expect((await title.boundingBox())?.y).toBe(heading?.y);
    }
  });

  test("the address contains the settings, but not the text", async ({ page, context }) => {
    await page.goto("?engine=cpu");
    await takeSample(page);
    const model = step(page, "Model");
    await model.getByText("Change", { exact: true }).click();
    await model.getByLabel("Small", { exact: true }).check();
    await model.getByLabel("Layers").fill("1");
    await page.keyboard.press("Tab");
    await expect(model.getByText(/1 layer, width 128/)).toBeVisible();
    await model.getByLabel("Layers").fill("3");
    await page.keyboard.press("Tab");
    const training = step(page, "Train");
    await training.getByText("Change", { exact: true }).click();
    await training.getByLabel("Learning rate").fill("0.004");
    await page.keyboard.press("Tab");
    expect(new URL(page.url()).hash).toBe("#preset=shakespeare-small&layers=3&learningRate=0.004");

    const other = await context.newPage();
    await other.goto(page.url());
    await expect(step(other, "Train").getByText(/learning rate 0\.004/)).toBeVisible();
    await expect(step(other, "Model").getByText(/3 layers, width 128/)).toBeVisible();
  });

  test("the page shows the costs of a model, and proposes changes if it is impossible", async ({ page }) => {
    await visit(page, "cpu", "preset=tiny&steps=100");
    await takeSample(page);
    const model = step(page, "Model");
    await expect(figure(model, "It reads your text")).toHaveText(/^\d(\.\d)? times$/);
    await expect(figure(model, "Parameters")).toHaveText(/^\d{3},\d{3}$/);
    await expect(figure(model, "Memory")).toHaveText(/MB$/);
    await model.getByText("Change", { exact: true }).click();
    await model.getByLabel("Heads").fill("5");
    await page.keyboard.press("Tab");
    await expect(model.getByRole("alert")).toContainText("5 heads do not divide a width of 64 evenly");
    await expect(model.getByRole("alert")).toContainText("1, 2, 4, 8, 16, 32, 64");
    await press(model, "Use 4 heads");
    await expect(model.getByRole("alert")).toBeHidden();

    await model.getByLabel("Context").fill("4096");
    await model.getByLabel("Width").fill("4096");
    await page.keyboard.press("Tab");
    await expect(model.getByRole("alert")).toContainText(/would take [\d.]+ GB of memory/);
    await press(model, /^Use the nearest that fits/);
    await expect(model.getByRole("alert")).toBeHidden();

    await model.getByLabel("Dropout").fill("2");
    await page.keyboard.press("Tab");
    await expect(model.getByText("Dropout cannot be 2: choose 0 to 0.9.")).toBeVisible();
  });

  test("models are saved on this device, renamed, opened and deleted", async ({ page }) => {
    await visit(page, "cpu");
    await train(page);
    const written = await write(page, "KEEPER:");
    const share = step(page, "Share");
    // The run kept for a reload also takes space.
    await expect(share.getByText(/^[\d.]+ [kM]B of the .+ are used\.$/)).toBeVisible();
    await press(share, "Save on this device");
    await expect(share.getByText("lorito is saved on this device.")).toBeVisible();
    await press(share, "Rename: lorito");
    await share.getByLabel("New name for lorito").fill("Campana");
    await press(share, "Rename");
    await expect(share.getByText("lorito is now Campana.")).toBeVisible();
    const download = page.waitForEvent("download");
    await press(share, "Download: Campana");
    expect((await download).suggestedFilename()).toBe("Campana.safetensors");

    await page.reload();
    await press(share, "Open: Campana");
    await expect(share.getByText("Campana is open.")).toBeVisible();
    expect(await write(page, "KEEPER:")).toBe(written);
    page.once("dialog", (dialog) => dialog.accept());
    await press(share, "Delete: Campana");
    await expect(share.getByText("Campana is deleted.")).toBeVisible();
    await expect(share.getByText("None yet.")).toBeVisible();
  });

  test("?model=ADDRESS asks for confirmation, and then fetches and opens the model", async ({ page }) => {
    await visit(page, "cpu");
    await train(page);
    const bytes = await page.evaluate(async () => [
      ...new Uint8Array(await (await window.lorito.exportModel("safetensors")).arrayBuffer()),
    ]);
    await page.route("**/given/bell.safetensors", (route) => route.fulfill({ body: Buffer.from(bytes) }));
    await page.goto(`?engine=cpu&model=${encodeURIComponent("given/bell.safetensors")}`);
    await press(page, "Fetch the model");
    await expect(step(page, "Write").getByRole("button", { name: "Write", exact: true })).toBeEnabled();
    expect((await write(page, "KEEPER:")).length).toBeGreaterThan(50);
  });

  test("files can be dropped anywhere, a table's column chosen, and each text removed", async ({ page }) => {
    await visit(page, "cpu");
    const rows = Array.from(
      { length: 12 },
      (_, row) => `${row},Title ${row},"The tale of number ${row}, told at length."`,
    );
    await drop(page, [
      { name: "tales.csv", text: ["id,title,body", ...rows].join("\n") },
      { name: "note.txt", text: "A note." },
    ]);
    const text = step(page, "Text");
    await expect(text.getByRole("listitem").filter({ hasText: "tales.csv" })).toContainText("12 documents");
    await expect(text.getByLabel("Read from")).toHaveValue("body");
    await expect(text.getByText("note.txt")).toBeVisible();
    await text.getByLabel("Read from").selectOption("title");
    // The new reading is added before the old one is removed.
    await expect(text.getByRole("listitem").filter({ hasText: "86 characters" })).toHaveCount(1);
    await expect(text.getByRole("listitem").filter({ hasText: "tales.csv" })).toHaveCount(1);
    await expect(text.getByLabel("Read from")).toHaveValue("title");
    // Another choice, and a removal during the reading: indices change, but the right text is replaced.
    await text.evaluate((step) => {
      const field = step.querySelector("select") as HTMLSelectElement;
      field.value = "body";
      field.dispatchEvent(new Event("change"));
      step.querySelector<HTMLElement>("[aria-label='Remove note.txt']")?.click();
    });
    await expect(text.getByText("note.txt")).toBeHidden();
    await expect(text.getByRole("listitem").filter({ hasText: "tales.csv" })).toHaveCount(1);
    await expect(text.getByLabel("Read from")).toHaveValue("body");
    await text.getByText("Paste text").click();
    await text.getByLabel("Your text").fill("Words from the clipboard.");
    await press(text, "Add this text");
    await expect(text.getByText("Pasted text")).toBeVisible();
  });

  test("of two books, whole documents or their ends can be held back", async ({ page }) => {
    await visit(page, "cpu");
    const text = step(page, "Text");
    await drop(page, [{ name: "one.txt", text: "One day after the other. ".repeat(40) }]);
    await expect(text.getByText(/tested on the other 10%, which it never sees/)).toBeVisible();
    const ends = text.getByLabel("Test on the last tenth of each document");
    await expect(ends).toHaveCount(0);
    await drop(page, [{ name: "two.txt", text: "Two birds upon one wall. ".repeat(40) }]);
    await expect(text.getByText(/tested on the other 50%/)).toBeVisible();
    await expect(text.getByText(/These 2 documents are too few/)).toBeVisible();
    await ends.check();
    await expect(text.getByText("The model learns from 90% of the text (1,800 characters)")).toBeVisible();
    const tokenized = await page.evaluate(() => window.lorito.trainTokenizer({ kind: "byte" }));
    expect(tokenized).toMatchObject({ trainTokens: 1802, validationTokens: 202 });
    await ends.uncheck();
    await expect(text.getByText(/tested on the other 50%/)).toBeVisible();
  });

  test("the first screen is shown at once, before the engine has started", { tag: "@alone" }, async ({ page }) => {
    await page.route("**/*.wasm", () => {}); // never responds
    await page.goto("");
    await expect(page.getByRole("button", { name: "Choose files" })).toBeVisible({ timeout: 2000 });
    await expect(page.getByText("Starting the engine…")).toBeVisible();
  });

  test("a script of the page that cannot be fetched is reported, and the rest works", async ({ page, guard }) => {
    guard.allowed.push(/404/);
    await page.route(/\/parts\/(chart|parquet)-/, (route) => route.fulfill({ status: 404 }));
    await visit(page, "cpu");
    await expect(step(page, "Train").getByRole("alert")).toContainText("A part of this page did not come");
    await takeSample(page);
    const text = step(page, "Text");
    await drop(page, [{ name: "table.parquet", text: "PAR1 and so on, PAR1" }]);
    await expect(text.getByRole("alert")).toContainText("A part of this page did not come");
    await expect(text.getByText("harbour.txt")).toBeVisible();
  });

  test("the screenshot of the README is taken", async ({ page }) => {
    test.skip(!process.env.LORITO_SCREENSHOT, "LORITO_SCREENSHOT=1 makes docs/screenshot.png");
    await page.goto("#preset=tiny&layers=3&width=96&steps=1500&evalEvery=300");
    await takeSample(page);
    await press(page, "Train now");
    const training = step(page, "Train");
    await expect(training.locator(".now")).toContainText("Step 1,200", { timeout: 280_000 });
    await page.evaluate(() => document.querySelector("#train")?.scrollIntoView());
    await page.screenshot({ path: "../../docs/screenshot.png" });
  });
});
