// The npm package as programs use it: packed, installed in a new folder, and used by a Vite project, a page from a static
// server, and Node.
import { spawn } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { expect, type Page, test } from "@playwright/test";
import { violations } from "../axe";
import { ended, freePort, ready } from "./program";
import { Project, packageFolder, Site, tool } from "./project";

interface Training {
  engine: string;
  reason: string;
  losses: number[];
  written: string;
}

interface Opening {
  parameters: number;
  written: string;
  pieces: number;
  embedding: number[];
}

/** A policy without blobs, inline scripts and inline styles, as a careful site has it. */
const strict = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types lorito-worker",
  ].join("; "),
};

const model = "models/small.safetensors";
const documents = ["documents/printed.pdf", "documents/notes.docx"];

const projects: Project[] = [];
const sites: Site[] = [];

/** Everything that went wrong on a page. */
const faults: string[] = [];

async function project(...given: Parameters<typeof Project.create>): Promise<Project> {
  const made = await Project.create(...given);
  projects.push(made);
  return made;
}

async function site(...given: Parameters<typeof Site.start>): Promise<Site> {
  const started = await Site.start(...given);
  sites.push(started);
  return started;
}

test.beforeEach(({ page }) => {
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(error.message));
});

test.afterEach(async () => {
  for (const started of sites.splice(0)) started.stop();
  for (const made of projects.splice(0)) await made.remove();
  expect(faults.splice(0), "nothing goes wrong on the page").toEqual([]);
});

/** A page of the static server with the strict policy. */
async function plainPage(page: Page, path = ""): Promise<{ made: Project; served: Site }> {
  const made = await project("plain", ["session.js", model, ...documents]);
  const served = await site(made.folder, strict);
  await page.goto(served.address(path));
  return { made, served };
}

const call = <T>(page: Page, name: string) => page.evaluate<T>(`window.${name}()`);

test("a fresh Vite project, a page from a static server and Node train to the same losses and write the same", async ({
  page,
}) => {
  const vite = await project("vite", ["session.js"]);
  await vite.run("mkdir", ["public"]);
  await vite.run("cp", [join(import.meta.dirname, "../../fixtures", model), "public/small.safetensors"]);
  await vite.run(tool("vite"), ["build"]);
  const served = await site(vite.path("dist"));
  await page.goto(served.address());
  const { globals, training, opening, afterwards } = await page.evaluate<{
    globals: string[];
    training: Training;
    opening: Opening;
    afterwards: string;
  }>("window.result");
  expect(globals, "importing sets nothing global").toEqual([]);
  expect(training.engine).toBe("cpu");
  expect(training.losses.length).toBeGreaterThan(2);
  expect(training.losses.at(-1)).toBeLessThan(training.losses[1] ?? 0);
  expect(training.written.length).toBeGreaterThan(20);
  expect(opening.pieces).toBeGreaterThan(10);
  expect(Math.hypot(...opening.embedding)).toBeCloseTo(1, 5);
  expect(afterwards).toBe("LoritoError closed");
  expect(served.asked.filter((path) => /gpu|one-page|documents|passages/.test(path))).toEqual([]);

  await plainPage(page);
  await page.waitForFunction("window.ready");
  const both = await call<{
    training: Training;
    opening: Opening;
    after: Record<string, unknown>;
    again: Opening;
  }>(page, "both");
  expect(both.training).toEqual(training);
  expect(both.opening, "beside another instance that trains").toEqual(opening);
  expect(both.again, "after the other instance was closed").toEqual(opening);
  expect(both.after).toEqual({ first: 32, second: 16, stored: "LoritoError storage-unavailable" });

  const node = await project("node", ["session.js", model, ...documents]);
  const { stdout } = await node.run("node", ["main.js"]);
  const inNode = JSON.parse(stdout);
  expect(inNode.training).toEqual({ ...training, reason: "no-webgpu" });
  expect(inNode.opening).toEqual(opening);
  expect(inNode.exported).toBeGreaterThan(10_000);
  expect(inNode.sources).toEqual(["log.txt", "notes.docx", "printed.pdf"]);
  expect(inNode.found).toBeGreaterThan(0);
  expect(inNode.codes).toEqual({
    storage: "LoritoError storage-unavailable",
    gpu: "LoritoError web-gpu-unavailable",
    isLoritoError: true,
    closed: "LoritoError closed",
  });
  expect(inNode.report).toContain("engine: cpu (no-webgpu)");
  // Later versions of Node have a navigator of their own.
  expect(inNode.globals.filter((name: string) => name !== "navigator")).toEqual([]);
});

test("the development server of Vite finds worker and WebAssembly", async ({ page }) => {
  const vite = await project("vite", ["session.js"]);
  await vite.run("mkdir", ["public"]);
  await vite.run("cp", [join(import.meta.dirname, "../../fixtures", model), "public/small.safetensors"]);
  const port = await freePort();
  const server = spawn(tool("vite"), ["--host", "127.0.0.1", "--strictPort", "--port", String(port)], {
    cwd: vite.folder,
    env: { ...process.env, NO_COLOR: "1" },
  });
  try {
    await ready(server, /Local:/);
    await page.goto(`http://127.0.0.1:${port}/`);
    // The page is loaded again once the server has found what it imports.
    await page.waitForFunction("window.result?.then(({ training }) => training.written.length > 20)");
  } finally {
    await ended(server);
  }
});

test("a page with a strict policy reads documents, stores by name, and exports, each file only when it is needed", async ({
  page,
}) => {
  const { served } = await plainPage(page);
  await page.waitForFunction("window.ready");
  const needed = (name: string) => served.asked.filter((path) => path.endsWith(name)).length;
  expect(await call(page, "storing")).toEqual({ one: ["mine"], same: ["mine"], other: [] });
  expect(["documents.js", "passages.js", "one-page.html", "lorito_gpu.wasm"].map(needed)).toEqual([0, 0, 0, 0]);
  const { sources, found } = await call<{ sources: { name: string; characters: number }[]; found: number }>(
    page,
    "reading",
  );
  expect(sources.map(({ name }) => name)).toEqual(["printed.pdf", "notes.docx"]);
  for (const { characters } of sources) expect(characters).toBeGreaterThan(50);
  expect(found).toBeGreaterThan(0);
  const exported = await call<{ page: string; folder: number }>(page, "exporting");
  expect(exported.page).toContain('<html lang="es">');
  expect(exported.page.length).toBeGreaterThan(100_000);
  expect(exported.folder).toBeGreaterThan(10_000);
  expect(["documents.js", "passages.js", "one-page.html"].map(needed)).toEqual([2, 1, 1]);
});

test("the element talks by keyboard, in the page's language, and fetches its model once somebody turns to it", async ({
  page,
}) => {
  const { served } = await plainPage(page, "chat.html");
  const told = (type: string) =>
    page.evaluate<string>(
      `new Promise((resolve) => document.addEventListener("${type}", ({ detail }) => resolve(detail.text ?? detail.code ?? ""), { once: true }))`,
    );
  const message = page.getByLabel("Message");
  await expect(message).toBeVisible();
  expect(served.asked.filter((path) => /safetensors|wasm/.test(path))).toEqual([]);
  const ready = told("lorito-ready");
  await page.keyboard.press("Tab"); // the conversation
  await page.keyboard.press("Tab");
  await expect(message).toBeFocused();
  await ready;
  expect(served.asked.filter((path) => path.endsWith("safetensors"))).toEqual(["/small.safetensors"]);
  const answered = told("lorito-answer");
  await page.keyboard.type("Who is there?");
  await page.keyboard.press("Enter");
  const answer = await answered;
  expect(answer.length).toBeGreaterThan(5);
  const log = page.getByRole("log", { name: "Conversation" });
  await expect(log).toContainText("Who is there?");
  await expect(log).toContainText(answer.trim());
  await expect(page.getByRole("status")).toContainText(answer.trim());
  await expect(message).toHaveValue("");
  await expect(message).toBeFocused();
  await expect(page.getByRole("button", { name: "Stop" })).toHaveAttribute("aria-disabled", "true");
  expect(await faultsOf(page, served.address("chat.html"))).toEqual([]);

  // A model that is not there is said, the message stays, and the element tries again.
  await page.goto(served.address("es.html"));
  const missing = told("lorito-error");
  const mensaje = page.getByLabel("Mensaje");
  await mensaje.fill("¿Quién está ahí?");
  await page.getByRole("button", { name: "Enviar" }).click();
  expect(await missing).toBe("download-failed");
  await expect(mensaje).toHaveValue("¿Quién está ahí?");
  await expect(page.getByRole("status")).toContainText("No se pudo abrir el modelo (download-failed).");
  expect(faults.splice(0).every((fault) => /404/.test(fault))).toBe(true);
  const opened = told("lorito-answer");
  await page.evaluate(`document.querySelector("lorito-chat").setAttribute("src", "small.safetensors")`);
  await page.getByRole("button", { name: "Enviar" }).click();
  await opened;
  await expect(page.getByRole("log", { name: "Conversación" })).toContainText("¿Quién está ahí?");
});

/** axe's violations on a page, in a context without its policy, which would refuse that script. */
async function faultsOf(page: Page, address: string): Promise<string[]> {
  const context = await page.context().browser()?.newContext({ bypassCSP: true });
  const other = await context?.newPage();
  await other?.goto(address);
  const found = other ? await violations(other) : ["no page"];
  await context?.close();
  return found;
}

test("LangChain asks by a prompt template, streams, and retrieves from MemoryVectorStore", async () => {
  const node = await project("node", ["learned.js"], ["@langchain/core", "@langchain/classic"]);
  const { stdout } = await node.run("node", ["langchain.js"]);
  const { facts, ...found } = JSON.parse(stdout) as Record<string, unknown> & { facts: [string, string][] };
  const answers = facts.map(([, answer]) => answer);
  expect(found.answers, "the model has learned them by heart").toEqual(answers);
  expect((found.streamed as string[]).length).toBeGreaterThan(5);
  expect((found.streamed as string[]).join("")).toBe(answers[0]);
  expect((found.tokens as string[]).join("")).toBe(answers[1]);
  expect(found.stopped).toBe("Nell ");
  expect(found.aborted).toMatch(/Abort/);
  expect(found.nearest).toEqual([
    ["Who mends the net?", "Who mends the nets?"],
    ["Where is that lamp?", "Where is the lamp?"],
    ["When does the ferry go today?", "When does the ferry go?"],
  ]);
  expect(found.retrieved).toEqual(answers);
  expect(found.refused).toContain("image_url");
  expect(found.type).toBe("lorito");
});

test("without LangChain the package works, and says what is missing where it is asked for", async () => {
  const node = await project("node");
  const { stdout } = await node.run("node", [
    "--input-type=module",
    "-e",
    `await import("lorito"); console.log(await import("lorito/langchain").catch(({ code }) => code));`,
  ]);
  expect(stdout.trim()).toBe("ERR_MODULE_NOT_FOUND");
});

test("a program that imports a type or the class of errors bundles no engine", async () => {
  const vite = await project("vite");
  const scriptsOf = async (source: string) => {
    await writeFile(vite.path("main.js"), source);
    await vite.run(tool("vite"), ["build", "--emptyOutDir"]);
    // Vite copies the workers' scripts, too, but nothing loads them.
    const page = await readFile(vite.path("dist/index.html"), "utf8");
    const loaded = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(([, path]) => path ?? "");
    expect(loaded).not.toEqual([]);
    return Promise.all(loaded.map((path) => readFile(vite.path(`dist/${path}`), "utf8")));
  };
  const only = await scriptsOf(`import { LoritoError } from "lorito";\nconsole.log(LoritoError.name);`);
  expect(only.join("").length).toBeLessThan(4000);
  expect(only.join("")).not.toContain(".wasm");
  const nothing = await scriptsOf(`import "lorito";\nconsole.log("nothing");`);
  expect(nothing.join("").length).toBeLessThan(2500);
});

test("its types are right for bundlers and for Node", async () => {
  const types = await project("types", [], ["@langchain/core", "@types/node"]);
  const tsc = join(packageFolder, "../../web/node_modules/.bin/tsc");
  const always = ["--noEmit", "--strict", "--target", "es2022", "--lib", "es2023,dom,dom.iterable,dom.asynciterable"];
  for (const resolution of ["bundler", "nodenext"]) {
    const module = resolution === "nodenext" ? "nodenext" : "esnext";
    const how = ["--module", module, "--moduleResolution", resolution];
    await types.run(tsc, [...always, ...how, "--types", "node", "program.ts"]);
  }
});

test("what a page loads to write on the CPU is at most 1.5 MB in brotli", async ({ page }, info) => {
  const { made, served } = await plainPage(page);
  await page.waitForFunction("window.ready");
  await page.evaluate(`(async () => {
    const lorito = createLorito({ engine: "cpu" });
    await lorito.importFromUrl("small.safetensors");
    await lorito.generate("The", { maxTokens: 5 });
    lorito.close();
  })()`);
  const loaded = [...new Set(served.asked)].filter((path) => path.includes("node_modules"));
  expect(loaded.some((path) => path.endsWith("lorito_bg.wasm"))).toBe(true);
  let sum = 0;
  const lines: string[] = [];
  for (const path of loaded) {
    const bytes = brotliCompressSync(await readFile(made.path(path)), {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11 },
    }).length;
    sum += bytes;
    lines.push(`${path.split("/").at(-1)} ${bytes}`);
  }
  const packed = (await stat(process.env.LORITO_PACKED ?? "")).size;
  console.log(`loaded to write: ${sum} bytes in brotli (${lines.join(", ")}); packed: ${packed} bytes`);
  info.annotations.push({ type: "bytes", description: String(sum) });
  expect(sum).toBeLessThanOrEqual(1_500_000);
});
