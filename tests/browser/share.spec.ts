// Tests the exports: one primary export, then the others grouped by purpose.
import { expect, test } from "./guard";
import { onceIsEnough, small, step, train, visit } from "./person";

onceIsEnough();

test("the Share step shows one file first and groups the other exports by purpose", async ({ page }) => {
  await visit(page, "cpu", `${small}&steps=6&evalEvery=3&lora=4:8:attention`);
  await train(page);
  const share = step(page, "Share");
  await expect(share.locator("button.primary")).toHaveText(["Download one file"]);
  const first = share.locator(".first").getByRole("button");
  await expect(first).toHaveText(["Download one file", "Save on this device"]);
  const groups = {
    "To write with it": ["Download as one page", "Download a smaller page"],
    "To train it further": [
      "Download Hugging Face folder",
      "Download the adapter alone",
      "Copy link to settings",
      "Show as QR code",
    ],
    "To use it in other programs": [
      "Download GGUF for llama.cpp",
      "Modelfile for Ollama: lorito.f16.Modelfile",
      "Download smaller GGUF",
      "Modelfile for Ollama: lorito.q8_0.Modelfile",
    ],
  };
  await expect(share.locator(".purpose")).toHaveCount(3);
  for (const [title, buttons] of Object.entries(groups)) {
    const group = share.locator(".purpose", { has: page.getByRole("heading", { name: title }) });
    await expect(group.getByRole("button")).toHaveText(buttons);
  }
  await page.getByLabel("Language").selectOption("es");
  const headings = page.getByRole("region", { name: "Compartir", exact: true }).locator(".purpose h4");
  await expect(headings).toHaveText([/^Para /, /^Para /, /^Para /]);
});
