// A model of today's shape from scratch: chosen on the page, trained, written with, exported and opened again.
import { expect, test } from "./guard";
import { small, step, train, visit, write } from "./person";

test("a Llama is chosen, trained, generates text and leaves as one", async ({ page }, info) => {
  await visit(page, info.project.name, `${small}&steps=20&evalEvery=10`);
  const model = step(page, "Model");
  await model.getByText("Change", { exact: true }).click();
  await model.getByRole("radio", { name: "Llama" }).check();
  await expect.poll(() => page.evaluate(() => location.hash)).toContain("family=llama");
  await train(page);

  const losses = await page.evaluate(async () => (await window.lorito.history()).steps.map(({ loss }) => loss));
  expect(losses).toHaveLength(20);
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) - 0.5);
  expect((await write(page, "KEEPER:")).length).toBeGreaterThan(20);

  const exported = await page.evaluate(async () => {
    const before = await window.lorito.logits([1, 2, 3]);
    const folder = await window.lorito.exportModel("huggingface");
    const summary = await window.lorito.importModel(folder);
    const after = await window.lorito.logits([1, 2, 3]);
    return { before: [...before], after: [...after], variant: summary.config.variant };
  });
  expect(exported.variant?.llama).toMatchObject({ family: "llama", keyValueHeads: 2, headWidth: 8, mlpWidth: 88 });
  expect(exported.after).toEqual(exported.before);
});

test("the diagram of a Llama has no learned positions", async ({ page }, info) => {
  test.skip(info.project.name !== "cpu", "once is enough");
  await visit(page, "cpu", `${small}&family=llama`);
  await step(page, "Model").getByText("What happens here?").click();
  await expect(step(page, "Model").getByText("positions: rotary")).toBeVisible();
});
