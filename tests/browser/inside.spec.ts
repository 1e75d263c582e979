// Tests the inspection: token probabilities, attention, the logit lens, the token map, and one training step in slow
// motion. All values must be the model's own, and the model must not change.
import type { Page } from "@playwright/test";
import { expectNoFault } from "./axe";
import { expect, test } from "./guard";
import { open, prepare, tinyModel, tinyRun } from "./lorito";
import { drawn, press, small, step, train, visit, write } from "./person";

/** Opens the inspection of the step "Write" or "Train". */
async function openDoor(page: Page, place: "Write" | "Train", name: string): Promise<void> {
  await step(page, place).getByText(name, { exact: true }).click();
  await drawn(page);
}

/** Trains, generates text and inspects it. */
async function look(page: Page, engine: string): Promise<string> {
  await visit(page, engine, `${small}&steps=20&evalEvery=10`);
  await train(page);
  await step(page, "Write").locator("details.sampling summary").click();
  await step(page, "Write").getByLabel("Length", { exact: true }).fill("24");
  const written = await write(page, "The ");
  await openDoor(page, "Write", "Look inside");
  await expect(tokens(page).first()).toBeVisible();
  return written;
}

const tokens = (page: Page) => page.getByRole("toolbar", { name: "The tokens of the text" }).getByRole("button");
const view = (page: Page, heading: string) =>
  page.locator("#inside-panel section", { has: page.getByRole("heading", { name: heading, exact: true }) });

test("an inspection agrees with the model's logits, and slow motion does not change the model", async ({ page }, {
  project,
}) => {
  await open(page, project.name);
  await prepare(page);
  const told = await page.evaluate(async (run) => {
    const { lorito } = window;
    await lorito.train({ ...run, steps: 10 });
    const text = await lorito.inside.look("Day ", "1. The ship");
    const at = 6;
    const [token] = text.tokens.slice(at);
    const logits = await lorito.logits(text.ids.slice(0, at));
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    const right = Math.exp(logits[token?.id ?? 0] ?? 0) / total;
    const lens = await lorito.inside.lens(at - 1);
    const count = text.tokens.length;
    const row = text.attention.slice((at - 1) * count, at * count);
    const before = [...(await lorito.logits(text.ids))];
    const slow = await lorito.inside.slowMotion();
    const after = [...(await lorito.logits(text.ids))];
    const map = await lorito.inside.tokenMap();
    const near = await lorito.inside.nearest(map.points[0]?.id ?? 0);
    const history = await lorito.history();
    return { token, right, lens, count, row: [...row], before, after, slow, map, near, steps: history.steps.length };
  }, tinyRun);
  expect(Math.abs((told.token?.probability ?? 0) - told.right)).toBeLessThan(1e-4);
  expect(told.token?.choices).toHaveLength(10);
  expect(told.lens.map(({ layers }) => layers)).toEqual([0, 1]);
  expect(Math.abs((told.lens[1]?.following ?? 0) - told.right)).toBeLessThan(1e-4);
  expect(told.row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 4);
  expect(told.row.slice(6).every((share) => share === 0)).toBe(true);
  expect(told.count).toBe(15);
  expect(told.after).toEqual(told.before);
  expect(told.steps).toBe(10);
  expect(told.slow.step).toBe(11);
  expect(told.slow.losses[1]).toBeLessThan(told.slow.losses[0]);
  const squares = told.slow.parts.reduce((sum, { gradientNorm }) => sum + gradientNorm ** 2, 0);
  expect(Math.sqrt(squares) / told.slow.gradientNorm).toBeCloseTo(1, 3);
  expect(told.map.points).toHaveLength(told.map.vocabulary);
  expect(told.near).toHaveLength(10);
});

test("inspection does not change a run's steps", async ({ page }, { project }) => {
  await open(page, project.name);
  const losses = async (looks: boolean) => {
    await prepare(page);
    return page.evaluate(
      async ([run, looks]) => {
        const { lorito } = window;
        const looked: Promise<unknown>[] = [];
        const look = () => {
          if (looks) looked.push(lorito.inside.slowMotion(), lorito.inside.look("Day ", "1"));
        };
        await lorito.train({ ...run, steps: 10 });
        look();
        await lorito.train({ ...run, steps: 20, onProgress: look });
        await Promise.all(looked);
        return (await lorito.history()).steps.map(({ loss }) => loss);
      },
      [tinyRun, looks] as const,
    );
  };
  expect(await losses(true)).toEqual(await losses(false));
});

test("every token shows its alternatives, and the text continues with one of them", async ({ page }, { project }) => {
  const written = await look(page, project.name);
  const all = tokens(page);
  // The tokens of the prompt, the generated ones, and the next one.
  await expect(all).toHaveCount(4 + written.length + 1);
  await expect(all.nth(4)).toHaveAttribute("aria-pressed", "true");
  await all.nth(6).click();
  await expect(all.nth(6)).toHaveAttribute("aria-label", /: probability .*%, surprise .* bits$/);
  const choices = view(page, "What could stand here").getByRole("row");
  await expect(choices).toHaveCount(11);
  await expect(view(page, "What each layer would say").getByRole("rowheader")).toHaveText([
    "the embedding alone",
    "layer 1",
  ]);
  await expect(view(page, "What it looked at").getByRole("row").nth(1)).toContainText("%");
  // An alternative that differs from the present token.
  const other = choices.filter({ hasNotText: "stands here" }).nth(1).getByRole("button");
  const token = ((await other.textContent()) ?? "").replaceAll("·", " ").replaceAll("↵", "\n");
  const begun = `The ${written.slice(0, 2)}${token}`;
  await other.click();
  await expect(page.locator("#written .prompt")).toHaveText(begun, { useInnerText: false });
  await expect(step(page, "Write").getByRole("button", { name: "Write", exact: true })).toBeEnabled({
    timeout: 120_000,
  });
  const text = (await page.locator("#written").textContent()) ?? "";
  await expect(all).toHaveCount(text.length + 1);
});

test("arrow keys move between tokens, and their colours show attention", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  await look(page, project.name);
  const all = tokens(page);
  await all.nth(4).focus();
  await page.keyboard.press("ArrowRight");
  await expect(all.nth(5)).toBeFocused();
  await expect(all.nth(5)).toHaveAttribute("aria-pressed", "true");
  await page.keyboard.press("Home");
  await expect(all.first()).toBeFocused();
  await expect(page.locator("#inside-panel")).toContainText("This is the first token");
  await page.keyboard.press("End");
  await expect(page.getByRole("heading", { name: "What could come next" })).toBeVisible();
  await expect(view(page, "What could stand here").getByRole("row")).toHaveCount(11);
  // The tokens are one tab stop; the panel of the selected token follows.
  await page.keyboard.press("Tab");
  await expect(view(page, "What could stand here").getByRole("button").first()).toBeFocused();
  await page.getByLabel("what it looked at").check();
  await all.nth(8).click();
  await page.locator("#inside-head-colours").selectOption({ label: "2" });
  await expect(page.locator("#inside-head-table")).toHaveValue("1");
  await expect(all.nth(9)).toHaveClass(/later/);
  const shades = page.locator(".tokens .token:not(.later)");
  await expect(shades).toHaveCount(8);
  // The token under the pointer shows its own attention.
  await all.nth(3).hover();
  await expect(shades).toHaveCount(3);
});

test("the map finds a token and names its neighbours", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  await look(page, project.name);
  await press(page, "Draw the map");
  await expect(page.getByRole("img", { name: /tokens\. The two directions/ })).toBeVisible();
  await page.getByLabel("Find a token").fill("e");
  await page.locator(".found").getByRole("button", { name: "e", exact: true }).click();
  const near = page.getByRole("table", { name: "Nearest to e" });
  await expect(near.getByRole("row")).toHaveCount(11);
  // Moves from neighbour to neighbour.
  const first = near.getByRole("button").first();
  const name = (await first.textContent()) ?? "";
  await first.click();
  await expect(page.getByRole("table", { name: `Nearest to ${name}` })).toBeVisible();
  await page.getByLabel("Find a token").fill("no such token");
  await expect(page.getByText("No token on the map is spelled so.")).toBeVisible();
  // Another model removes the map.
  await page.evaluate((model) => window.lorito.createModel(model), tinyModel);
  await expect(page.getByRole("button", { name: "Draw the map" })).toBeVisible();
  await expect(tokens(page)).toHaveCount(0);
});

test("slow motion shows one step stage by stage", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  await page.clock.install();
  await visit(page, project.name, `${small}&steps=20&evalEvery=10`);
  await train(page);
  await openDoor(page, "Train", "One step in slow motion");
  await press(page, "Show the next step");
  const stage = page.locator(".stage");
  await expect(stage.getByRole("heading")).toHaveText("1 of 8: Tokens and their numbers");
  await expect(page.getByText(/^Step 21, on 32 tokens of your text/)).toBeVisible();
  const next = page.locator(".slow-motion").getByRole("button", { name: "Next", exact: true });
  for (const title of [
    "Embedding",
    "One block",
    "Guesses",
    "Loss",
    "Gradient",
    "Change of the weights",
    "Before and after",
  ]) {
    await next.click();
    await expect(stage.getByRole("heading")).toContainText(title);
  }
  await expect(next).toBeDisabled();
  const [before, after] = await stage.locator("dd").allTextContents();
  expect(Number(after)).toBeLessThan(Number(before));
  // Playback starts again, advances by itself, and can be paused.
  await press(page.locator(".slow-motion"), "Play");
  await expect(stage.getByRole("heading")).toContainText("1 of 8");
  await page.clock.runFor(6500);
  await expect(stage.getByRole("heading")).toContainText("2 of 8");
  await press(page.locator(".slow-motion"), "Pause playing");
  await page.clock.runFor(20_000);
  await expect(stage.getByRole("heading")).toContainText("2 of 8");
});

test("axe finds no violation in the inspection", async ({ page }, { project }) => {
  test.skip(project.name !== "cpu", "once is enough");
  await look(page, project.name);
  await tokens(page).nth(8).click();
  await press(page, "Draw the map");
  await page.getByLabel("Find a token").fill("e");
  await page.locator(".found").getByRole("button", { name: "e", exact: true }).click();
  await expect(page.getByRole("table", { name: "Nearest to e" })).toBeVisible();
  await openDoor(page, "Train", "One step in slow motion");
  await press(page, "Show the next step");
  await expectNoFault(page);
  for (let at = 1; at < 8; at++) {
    await page.locator(".slow-motion").getByRole("button", { name: "Next", exact: true }).click();
    await drawn(page);
    await expectNoFault(page);
  }
  await page.getByLabel("what it looked at").check();
  await expectNoFault(page);
});
