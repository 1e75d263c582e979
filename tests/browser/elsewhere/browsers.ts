// A common interface to the browsers under test: one page in each, to inspect and click.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { overHttp, type Session, withFirefox } from "./webdriver";

/** An XPath to an element. */
export type Path = string;

export interface Browser {
  open(address: string): Promise<void>;
  reload(): Promise<void>;
  /** Runs a function in the page, with only its argument in scope; resolves with its result. */
  evaluate<Given, Result>(work: (given: Given) => Result, given: Given): Promise<Awaited<Result>>;
  click(element: Path): Promise<void>;
  type(field: Path, words: string): Promise<void>;
  /** Selects a file in a file chooser. */
  choose(chooser: Path, file: string): Promise<void>;
  /** Minimizes the window, so that the page is hidden. */
  hide(): Promise<void>;
  picture(file: string): Promise<void>;
  /** Waits for a download whose name ends in this. */
  download(ending: string): Promise<string>;
  close(): Promise<void>;
}

/** A temporary folder for one browser: its settings and downloads. */
class Folder {
  constructor(readonly path: string) {}

  static async make(): Promise<Folder> {
    const folder = new Folder(await mkdtemp(join(tmpdir(), "lorito-browser-")));
    await mkdir(folder.downloads);
    await mkdir(join(folder.path, ".config"));
    await writeFile(join(folder.path, ".config/user-dirs.dirs"), `XDG_DOWNLOAD_DIR="${folder.downloads}"\n`);
    return folder;
  }

  get downloads(): string {
    return join(this.path, "Downloads");
  }

  /** A browser may write to a temporary file first, or create the file before it has all of its content. */
  async download(ending: string): Promise<string> {
    let before = -1;
    return until(`a download of ${ending}`, async () => {
      const name = (await readdir(this.downloads)).find((name) => name.endsWith(ending));
      if (name === undefined) return;
      const path = join(this.downloads, name);
      const { size } = await stat(path);
      if (size > 0 && size === before) return path;
      before = size;
      return;
    });
  }

  remove(): Promise<void> {
    return rm(this.path, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }
}

/** Polls `look` until it finds something. */
export async function until<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
  const start = performance.now();
  while (performance.now() - start < 60_000) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not come within a minute`);
}

/** Starts a program; its output goes to the tests' output if LORITO_BROWSER_LOG is set. */
function start(program: string, args: string[], more: { env?: Record<string, string>; pipe?: boolean } = {}) {
  const says = process.env.LORITO_BROWSER_LOG ? "inherit" : "ignore";
  const stdio = ["ignore", says, says, ...(more.pipe ? (["pipe"] as const) : [])] as const;
  const child = spawn(program, args, { env: { ...process.env, ...more.env }, stdio: [...stdio] });
  child.on("error", (error) => console.error(error.message));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  await ended;
}

/** A browser controlled by WebDriver. */
async function driven(session: Session, folder: Folder, programs: ChildProcess[]): Promise<Browser> {
  await session.send("timeouts", { script: 600_000, pageLoad: 60_000 });
  const find = async (path: Path) =>
    Object.values((await session.send("find", { using: "xpath", value: path })) as Record<string, string>)[0];
  const type = async (path: Path, text: string) => {
    await session.send("type", { id: await find(path), text });
  };
  return {
    async open(url) {
      await session.send("open", { url });
    },
    async reload() {
      await session.send("reload");
    },
    async evaluate(work, given) {
      const script = `const [given, done] = arguments;
        Promise.resolve(given).then(${work}).then((value) => done({ value }), (error) => done({
          error: error?.message ?? String(error), code: error?.code, stack: error?.stack }));`;
      const got = (await session.send("run", { script, args: [given ?? null] })) as { value: never; error?: string };
      if (got.error !== undefined) throw new Error(JSON.stringify(got));
      return got.value;
    },
    async click(path) {
      await session.send("click", { id: await find(path) });
    },
    type,
    choose: type,
    async hide() {
      await session.send("minimize");
    },
    async picture(file) {
      await writeFile(file, Buffer.from((await session.send("picture")) as string, "base64"));
    },
    download: (ending) => folder.download(ending),
    async close() {
      await session.end().catch(() => {});
      for (const program of programs) await end(program);
      await folder.remove();
    },
  };
}

/** Firefox with the given settings. */
export async function firefox(program: string, settings: Record<string, unknown> = {}): Promise<Browser> {
  const folder = await Folder.make();
  const profile = join(folder.path, "profile");
  await mkdir(profile);
  const all = {
    "marionette.port": 0, // any free port
    "browser.download.folderList": 2,
    "browser.download.dir": folder.downloads,
    "datareporting.policy.dataSubmissionEnabled": false,
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  await writeFile(join(profile, "user.js"), lines.join(""));
  const running = start(program, ["--headless", "--marionette", "--no-remote", "--profile", profile]);
  const port = await until("Firefox", () =>
    readFile(join(profile, "MarionetteActivePort"), "utf8").catch(() => undefined),
  );
  return driven(await withFirefox(Number(port)), folder, [running]);
}

/** WebKitGTK's own browser, on a virtual display. */
export async function webkit(driver: string): Promise<Browser> {
  const folder = await Folder.make();
  const screen = start("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp"], { pipe: true });
  const display = await new Promise<string>((resolve) => {
    screen.stdio[3]?.once("data", (number: Buffer) => resolve(`:${number.toString().trim()}`));
  });
  const port = await freePort();
  const running = start(driver, [`--port=${port}`, "--host=127.0.0.1"], {
    env: {
      DISPLAY: display,
      HOME: folder.path,
      XDG_CONFIG_HOME: join(folder.path, ".config"),
      LIBGL_ALWAYS_SOFTWARE: "1",
      // Without a language its navigator.language is "C", which is not valid.
      LANG: "en_US.UTF-8",
    },
  });
  const address = `http://127.0.0.1:${port}`;
  await until("WebKit's driver", () =>
    fetch(`${address}/status`).then(
      () => true,
      () => undefined,
    ),
  );
  return driven(await overHttp(address, {}), folder, [running, screen]);
}

/** Chromium with Playwright, as in the other tests. */
export async function ofPlaywright(program: string, ...args: string[]): Promise<Browser> {
  const folder = await Folder.make();
  const browser = await chromium.launch({ executablePath: program, args });
  const page = await browser.newPage();
  page.on("download", (download) => void download.saveAs(join(folder.downloads, download.suggestedFilename())));
  return {
    async open(address) {
      await page.goto(address);
    },
    async reload() {
      await page.reload();
    },
    evaluate: (work, given) => page.evaluate(work as never, given) as never,
    click: (path) => page.locator(`xpath=${path}`).click(),
    type: (path, words) => page.locator(`xpath=${path}`).fill(words),
    choose: (path, file) => page.locator(`xpath=${path}`).setInputFiles(file),
    hide() {
      // Playwright keeps each of Chromium's tabs active.
      throw new Error("../background.spec.ts hides Chromium's tabs");
    },
    async picture(file) {
      await page.screenshot({ path: file });
    },
    download: (ending) => folder.download(ending),
    async close() {
      await browser.close();
      await folder.remove();
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("a TCP server has a port");
  return address.port;
}
