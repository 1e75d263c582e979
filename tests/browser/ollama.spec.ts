// The Modelfile with which Ollama opens an exported GGUF file. src/formats/ollama tests the templates of all families.
import { readFile } from "node:fs/promises";
import { expect, test } from "./guard";
import { tinyModel, tinyRun } from "./lorito";
import { onceIsEnough, press, step, train, visit } from "./person";

onceIsEnough();

test("a Modelfile can be downloaded beside each GGUF file", async ({ page }, info) => {
  await visit(page, info.project.name);
  await train(page);
  const share = step(page, "Share");
  await share.getByLabel("Name").fill("Quiet bell");
  for (const name of ["Quiet-bell.f16", "Quiet-bell.q8_0"]) {
    await expect(share.getByText(`ollama create Quiet-bell -f "${name}.Modelfile"`)).toBeVisible();
    const download = page.waitForEvent("download");
    await press(share, new RegExp(`^Modelfile for Ollama ?: ${name}.Modelfile$`));
    const file = await download;
    expect(file.suggestedFilename()).toBe(`${name}.Modelfile`);
    const path = info.outputPath(name);
    await file.saveAs(path);
    expect(await readFile(path, "utf8")).toBe(
      `FROM ./${name}.gguf\nTEMPLATE """{{ .Prompt }}"""\nPARAMETER stop "<|endoftext|>"\nPARAMETER num_ctx 32\n`,
    );
  }
});

test("the Modelfile of a model that knows conversations has its template", async ({ page }, info) => {
  await visit(page, info.project.name);
  const modelfile = await page.evaluate(
    async ([model, run]) => {
      const { lorito } = window;
      const turns = [
        { role: "user", content: "Who?" },
        { role: "assistant", content: "Me." },
      ];
      await lorito.addText("talk.jsonl", `${JSON.stringify({ messages: turns })}\n`.repeat(60));
      await lorito.trainTokenizer({ kind: "byte" });
      await lorito.createModel(model);
      await lorito.train({ ...run, steps: 1 });
      return (await lorito.exportModel("modelfile-q8", "hafen")).text();
    },
    [tinyModel, tinyRun] as const,
  );
  expect(modelfile).toBe(`FROM ./hafen.q8_0.gguf
TEMPLATE """{{ if .System }}<|im_start|>system
{{ .System }}<|im_end|>
{{ end }}{{ range .Messages }}{{ if eq .Role "user" }}<|im_start|>user
{{ .Content }}<|im_end|>
<|im_start|>assistant
{{ else if eq .Role "assistant" }}{{ .Content }}<|im_end|>
{{ end }}{{ end }}"""
PARAMETER stop "<|endoftext|>"
PARAMETER stop "<|im_start|>"
PARAMETER stop "<|im_end|>"
PARAMETER num_ctx 32
`);
});
