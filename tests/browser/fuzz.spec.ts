// The readers on damaged files, compiled to WebAssembly, where sizes have 32 bits: natively (tests/fuzz) they have 64.
import { expect, test } from "./guard";
import { folder, serveModule } from "./module";
import { onceIsEnough } from "./person";

onceIsEnough();

test("damaged files never make a reader trap in WebAssembly", async ({ page }) => {
  test.skip(!folder, "`cargo xtask test` builds the module");
  const address = await serveModule(page);
  const names = await page.evaluate(async (address) => {
    const module = await import(address);
    await module.default();
    return module.fuzzTargets() as string[];
  }, address);
  expect(names.length).toBeGreaterThan(15);
  for (const [index, name] of names.entries()) {
    const trap = await page.evaluate(
      async ([address, index]) => {
        const module = await import(address);
        try {
          module.fuzz(index, 1n, 150n);
          return undefined;
        } catch (thrown) {
          return String(thrown);
        }
      },
      [address, index] as const,
    );
    expect(trap, name).toBeUndefined();
  }
});
