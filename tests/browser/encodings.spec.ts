// Texts in encodings other than UTF-8: detection, the user's choice, and characters that a model has no token for.
import { expect, test } from "./guard";
import { tinyModel, tinyRun } from "./lorito";
import { drop, onceIsEnough, step, visit } from "./person";

onceIsEnough();

/** "灯台は岩の上に立っています。" and a line feed, in Shift-JIS. */
const line = [
  0x93, 0x94, 0x91, 0xe4, 0x82, 0xcd, 0x8a, 0xe2, 0x82, 0xcc, 0x8f, 0xe3, 0x82, 0xc9, 0x97, 0xa7, 0x82, 0xc1, 0x82,
  0xc4, 0x82, 0xa2, 0x82, 0xdc, 0x82, 0xb7, 0x81, 0x42, 0x0a,
];
const lighthouse = "灯台は岩の上に立っています。";
const repeated = (bytes: number[], times: number) => Array.from({ length: times }, () => bytes).flat();

test("an older encoding is detected, and another one can be chosen", async ({ page }) => {
  await visit(page, "cpu");
  await drop(page, [{ name: "old.txt", bytes: repeated(line, 20) }]);
  const text = step(page, "Text");
  const source = text.getByRole("listitem").filter({ hasText: "old.txt" });
  await expect(source).toContainText("read in it: Japanese (Shift-JIS)");
  await expect(text.locator("pre")).toContainText(lighthouse);
  const choice = source.getByLabel("Encoding");
  await expect(choice.locator("option:checked")).toHaveText("As found: Japanese (Shift-JIS)");
  await choice.selectOption({ label: "Chinese, traditional (Big5)" });
  await expect(text.locator("pre")).not.toContainText(lighthouse);
  await expect(choice.locator("option:checked")).toHaveText("Chinese, traditional (Big5)");
  await choice.selectOption({ label: "As found" });
  await expect(text.locator("pre")).toContainText(lighthouse);

  // For plain UTF-8 there is no choice.
  await drop(page, [{ name: "new.txt", text: "Señor Núñez" }]);
  await expect(text.getByRole("listitem").filter({ hasText: "new.txt" }).getByLabel("Encoding")).toHaveCount(0);
});

test("a chosen encoding is kept when the engine restarts, also for tables", async ({ page, guard }) => {
  guard.allowed.push(/unreachable/);
  await visit(page, "cpu");
  const preview = () => page.evaluate(async () => (await window.lorito.textSummary()).preview);
  await page.evaluate(async (line) => {
    const table = new Blob([new TextEncoder().encode("id,text\n1,"), new Uint8Array(line)]);
    await window.lorito.addText("old.csv", table, { encoding: "shift_jis" });
  }, line);
  expect(await preview()).toBe(lighthouse);
  const next = page.waitForEvent("worker");
  await page.workers()[0]?.evaluate(() => {
    setTimeout(() => {
      throw new WebAssembly.RuntimeError("unreachable");
    });
  });
  await next;
  expect(await preview()).toBe(lighthouse);
});

test("characters of a prompt without a token are reported, in texts and in conversations", async ({ page }) => {
  await visit(page, "cpu");
  const heard = await page.evaluate(
    async ([model, run]) => {
      const { lorito } = window;
      await lorito.addText("talk.txt", "el nin\u0303o baja al rio. ".repeat(60));
      await lorito.trainTokenizer({ kind: "char" });
      await lorito.createModel(model);
      await lorito.train({ ...run, steps: 2 });
      let heard = "";
      await lorito.generate("niño ¡sí!", { maxTokens: 2, onUnknown: (characters) => (heard = characters) });
      const answer = await lorito.chat([{ role: "user", content: "¿niño?" }], { maxTokens: 2 });
      return [heard, answer.unknownCharacters];
    },
    [tinyModel, tinyRun] as const,
  );
  expect(heard).toEqual(["!s¡í", "?¿"]);
  const write = step(page, "Write");
  await write.getByLabel("Begin with").fill("niño ¡sí!");
  await write.getByRole("button", { name: "Write", exact: true }).click();
  await expect(write.getByText("and so left out: !, s, ¡, í")).toBeVisible();
  await write.getByLabel("Begin with").fill("niño");
  await expect(write.getByText("and so left out")).toBeHidden();
});
