// The bug report: it describes the machine, the browser and the engine, without any of the user's data.
import type { Page } from "@playwright/test";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { drop, ended, press, small, step, visit, write } from "./person";

/** Invented words that a report cannot contain by chance. */
const syllables = ["zor", "quil", "vex", "nuph", "jask", "wib", "fyd", "trom"];
const words = syllables.flatMap((one) => syllables.map((other) => `${one}${other}`));
const diary = Array.from({ length: 30 }, (_, day) => `${words.slice(day, day + 34).join(" ")}.\n`).join("\n");

/** Trains a model and generates text with it. */
async function withModel(page: Page, engine: string): Promise<void> {
  await visit(page, engine, `${small}&steps=12&evalEvery=12`);
  await drop(page, [{ name: "mugwort.txt", text: diary }]);
  await expect(step(page, "Text").getByText("mugwort.txt")).toBeVisible();
  await press(page, "Train now");
  await ended(page);
  await write(page, words[0] ?? "");
}

/** Every line of a report as its name and the rest. */
const linesOf = (report: string) =>
  new Map(
    report
      .trimEnd()
      .split("\n")
      .map((line) => line.split(/: (.*)/, 2) as [string, string]),
  );

test("a report has the facts for debugging, and no word of the text", async ({ page, context }, { project }) => {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await withModel(page, project.name);
  await press(page, "Copy a report");
  await expect(page.getByText("Copied. It can be pasted into a message now.")).toBeVisible();
  const report = await page.evaluate(() => navigator.clipboard.readText());
  const lines = linesOf(report);
  expect(lines.get("version")).toMatch(/^\d+\.\d+\.\d+/);
  expect(lines.get("browser")).toBe(await page.evaluate(() => navigator.userAgent));
  expect(lines.get("engine")).toBe(`${project.name} (forced)`);
  expect(lines.get("model")).toContain("layers 1, heads 4, width 32, context 32");
  expect(lines.get("speed")).toMatch(/^[\d.e+]+ GFLOP\/s$/);
  expect(lines.get("step")).toMatch(/^[\d.]+ ms$/);
  expect(lines.get("storage")).toMatch(/^\d+ of \d+ bytes used$/);
  if (project.name === "webgpu") {
    expect(lines.get("adapter")).toMatch(/swiftshader/i);
    expect(lines.get("features")).toContain("timestamp-query");
    expect(lines.get("limits")).toMatch(/maxStorageBufferBindingSize \d+/);
    expect(lines.get("kernels")).toBe("small registers, large registers, attention rows, rows thread");
    expect(lines.get("self-check")).toMatch(/^passed, /);
    expect(lines.get("token written")).toMatch(/^[\d.e-]+ ms on the CPU, [\d.]+ ms on the GPU/);
  } else {
    expect([...lines.keys()]).not.toContain("self-check");
  }
  for (const word of [...words, "mugwort"]) expect(report, word).not.toContain(word);
});

test("if access to the clipboard is denied, the report is shown", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  await visit(page, "cpu");
  await page.evaluate(() => {
    navigator.clipboard.write = () => Promise.reject(new DOMException("", "NotAllowedError"));
  });
  await press(page, "Copy a report");
  const shown = page.getByRole("dialog", { name: "Report" });
  await expect(shown).toBeVisible();
  const field = shown.getByRole("textbox", { name: "Report" });
  await expect(field).toBeFocused();
  await expect(field).toHaveValue(/^version: .*\nbrowser: /);
  const selected = await field.evaluate((area: HTMLTextAreaElement) => area.selectionEnd - area.selectionStart);
  expect(selected).toBe((await field.inputValue()).length);
  await expectNoFault(page);
  await page.keyboard.press("Escape");
  await expect(shown).toBeHidden();
  await expect(page.getByRole("button", { name: "Copy a report" })).toBeFocused();
});

test("if no engine starts, the report has the reason", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "there WebGPU cannot start");
  await page.goto("?engine=webgpu");
  await expect(page.getByText("The engine could not start.")).toBeVisible();
  expect(await page.evaluate(() => window.lorito.report())).toMatch(/^engine: none \(web-gpu-unavailable\)$/m);
  await expect(page.getByRole("button", { name: "Copy a report" })).toBeVisible();
});
