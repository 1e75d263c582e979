// Accessibility: axe's rules in all states of the page, the main path by keyboard, and screen-reader announcements.
import { expectNoFault, openAll } from "./axe";
import { expect, test } from "./guard";
import { drawn, drop, ended, figure, onceIsEnough, press, small, step, train, visit } from "./person";
import { LANGUAGES, wordsIn } from "./words";

onceIsEnough();

for (const language of LANGUAGES)
  test(`${language}: axe finds no violation from the first screen to a chat with the model`, async ({ page }) => {
    const say = wordsIn(language);
    const place = (name: string) => step(page, say(`${name}.title`));
    await page.goto(`?engine=cpu&lang=${language}#${small}&steps=20&evalEvery=10`);
    await expect(page.getByText(say("engine.cpu"))).toBeVisible();
    await expectNoFault(page);
    await press(place("text"), /The Harbour/);
    await press(page, say("text.train"));
    const more = say("train.more", { count: 20 });
    await expect(place("train").getByRole("button", { name: more })).toBeEnabled({ timeout: 200_000 });
    await openAll(page);
    await page.getByRole("button", { name: say("tokens.train") }).click();
    await expect(page.locator(".piece").first()).toBeVisible();
    await place("model").getByLabel(say("setting.heads"), { exact: true }).fill("5");
    await page.keyboard.press("Tab");
    await expect(place("model").getByRole("alert")).toBeVisible();
    await expectNoFault(page);
    await place("write")
      .getByRole("tab", { name: say("write.way.chat") })
      .click();
    const message = place("write").getByLabel(say("chat.message"), { exact: true });
    await message.fill("A message of so many words that it is broken into several lines where the page is narrow");
    await page.keyboard.press("Enter");
    await drawn(page);
    await expect(place("write").getByRole("button", { name: say("chat.stop") })).toBeDisabled({ timeout: 120_000 });
    await place("write")
      .getByRole("button", { name: say("chat.editNamed", { text: "A message" }) })
      .click();
    await expect(page.getByLabel(say("chat.editing"))).toBeFocused();
    await expectNoFault(page);
  });

test("axe finds no violation in the form for a chat's options", async ({ page }) => {
  await visit(page, "cpu");
  const text = "1/2/24, 9:05 - Ana: hola\n1/2/24, 9:06 - Leo: ¿qué tal? https://a.example\n1/2/24, 9:07 - Eva: bien\n";
  await drop(page, [{ name: "chat.txt", text: text.repeat(3) }]);
  await expect(step(page, "Text").getByLabel("Who are you?")).toBeVisible();
  await expectNoFault(page);
});

test("the main path works by keyboard", async ({ page }) => {
  await visit(page, "cpu", `${small}&steps=20000&evalEvery=5000`);
  const focused = page.locator(":focus");
  /** Presses Tab until an element with this name has the focus. */
  const tabTo = async (name: RegExp) => {
    for (let presses = 0; presses < 120; presses++) {
      await page.keyboard.press("Tab");
      const label = await page.evaluate(() => {
        const element = document.activeElement;
        return element?.getAttribute("aria-label") ?? element?.textContent ?? "";
      });
      if (name.test(label.trim())) return;
    }
    throw new Error(`Tab never gets to ${name}`);
  };

  await page.keyboard.press("Tab");
  await expect(focused).toHaveText("Skip to the first step");
  await page.keyboard.press("Enter");
  await expect(focused).toHaveText("Text");
  await tabTo(/^Use The Harbour/);
  await page.keyboard.press("Enter");
  await expect(step(page, "Text").getByText("harbour.txt")).toBeVisible();
  await tabTo(/^Train now/);
  await page.keyboard.press("Enter");
  await expect(focused).toHaveText("Train");
  await expect(page.getByRole("button", { name: "Pause", exact: true })).toBeVisible();
  await tabTo(/^Pause/);
  await page.keyboard.press("Space");
  await expect(page.getByRole("button", { name: "Continue", exact: true })).toBeFocused();
  await page.keyboard.press("Space");
  await expect(figure(step(page, "Train"), "Training loss")).toHaveText(/\d/);
  await tabTo(/^Stop$/);
  await page.keyboard.press("Enter");
  await ended(page);

  await page.locator("#write-title").focus();
  await tabTo(/^Continue a text$/);
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tab", { name: "Chat", selected: true })).toBeFocused();
  await tabTo(/^Conversation$/);
  await page.keyboard.press("Tab");
  await page.keyboard.type("BAKER: Good morning!");
  await page.keyboard.press("Enter");
  await tabTo(/^Stop answering$/);
  await page.keyboard.press("Enter");
  await expect(focused).toHaveText("Stop answering");

  await page.locator("#write-title").focus();
  await tabTo(/^Chat$/);
  await page.keyboard.press("ArrowLeft");
  await expect(page.getByRole("tab", { name: "Continue a text", selected: true })).toBeFocused();
  await page.keyboard.press("Tab");
  await page.keyboard.type("BAKER:");
  await tabTo(/^Write$/);
  await page.keyboard.press("Enter");
  await expect(page.locator("#written")).toContainText(/BAKER:[\s\S]/);
  await tabTo(/^Download one file/);
  const download = page.waitForEvent("download");
  await page.keyboard.press("Enter");
  expect((await download).suggestedFilename()).toBe("lorito.safetensors");
});

test("screen readers announce phases and evaluations, not every step", async ({ page }) => {
  await visit(page, "cpu", `${small}&steps=60&evalEvery=20`);
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(window, { heard });
    const status = document.querySelector("#train > [role=status]");
    if (status)
      new MutationObserver(() => heard.push(status.textContent ?? "")).observe(status, {
        childList: true,
        characterData: true,
        subtree: true,
      });
  });
  await train(page);
  const heard = await page.evaluate(() => (window as unknown as { heard: string[] }).heard);
  expect(heard.some((words) => words.startsWith("Training."))).toBe(true);
  // Evaluations that were superseded before a rendering are not announced.
  expect(heard.some((words) => /Step (20|40|60): training loss/.test(words))).toBe(true);
  expect(heard.at(-1)).toMatch(/^(Trained up to step 60|Step 60)/);
  expect(heard.length).toBeLessThan(10);
});
