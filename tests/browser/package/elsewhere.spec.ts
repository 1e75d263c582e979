// docs/elsewhere.md: its commands, as they stand there but for the port, on a model that was trained and exported in Node.
import { type ChildProcess, spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { ended, freePort, ready } from "./program";
import { Project, packageFolder } from "./project";

const { LORITO_PYTHON = "python3", LORITO_LLAMA_SERVER } = process.env;
test.skip(!LORITO_LLAMA_SERVER, "there is no llama.cpp of PyPI for this machine, or no pip");

let server: ChildProcess | undefined;
let node: Project | undefined;

test.afterEach(async () => {
  await ended(server);
  await node?.remove();
});

/** The blocks of the document in a language. */
async function blocks(language: string): Promise<string[]> {
  const text = await readFile(join(packageFolder, "../../docs/elsewhere.md"), "utf8");
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].flatMap(([, name, block]) =>
    name === language ? [block ?? ""] : [],
  );
}

test("llama.cpp's server answers with the exported file as Lorito does, by curl and by LangChain", async () => {
  node = await Project.create("node", ["learned.js"], ["@langchain/core", "@langchain/openai"]);
  const { stdout } = await node.run("node", ["export.js"]);
  const { answer, continued } = JSON.parse(stdout) as { answer: string; continued: string };
  expect(await readFile(node.path("Modelfile"), "utf8")).toContain("FROM ./harbour.f16.gguf\n");

  const port = await freePort();
  const here = (block: string | undefined) => (block ?? "").replaceAll("8081", String(port));
  const [python] = await blocks("python");
  await writeFile(node.path("server.py"), here(python));
  server = spawn(LORITO_PYTHON, ["server.py"], {
    cwd: node.folder,
    env: { ...process.env, PYTHONPATH: LORITO_LLAMA_SERVER, PYTHONDONTWRITEBYTECODE: "1" },
  });
  await ready(server, /^ready at/m);

  const [, chat, completion] = await blocks("sh");
  const asked = async (command: string | undefined) => {
    const { stdout } = (await node?.run("sh", ["-c", here(command)])) ?? { stdout: "" };
    return JSON.parse(stdout).choices[0];
  };
  expect((await asked(chat)).message.content).toBe(answer);
  // Where a turn ends, llama.cpp's server ends, and Lorito goes on.
  expect((await asked(completion)).text).toBe(continued.split("<|im_end|>")[0]);

  const [program] = await blocks("mjs");
  await writeFile(node.path("langchain-openai.mjs"), here(program));
  const { stdout: said } = await node.run("node", ["langchain-openai.mjs"]);
  expect(said.trim()).toBe(answer);
});
