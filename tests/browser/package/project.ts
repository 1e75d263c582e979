// Projects of programs that use the packed package, each in a new folder outside the checkout, and a server for those in a browser.
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, extname, join } from "node:path";
import { promisify } from "node:util";

/** The file that `npm pack` made, and the folder of the package, whose npm packages the tests use. */
const packed = process.env.LORITO_PACKED ?? "";
export const packageFolder = process.env.LORITO_PACKAGE ?? "";
const projects = join(import.meta.dirname, "projects");
const fixtures = join(import.meta.dirname, "../../fixtures");

/** A program of the packages for tests. */
export const tool = (name: string) => join(packageFolder, "node_modules/.bin", name);

export interface Ran {
  stdout: string;
  stderr: string;
}

export class Project {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** A copy of a folder in projects/, with the packed package installed, `files` of projects/shared or the fixtures, and npm packages. */
  static async create(name: string, files: string[] = [], packages: string[] = []): Promise<Project> {
    const project = new Project(await realpath(await mkdtemp(join(tmpdir(), `lorito-${name}-`))));
    await cp(join(projects, name), project.folder, { recursive: true });
    await cp(join(projects, "package.json"), join(project.folder, "package.json"));
    for (const file of files) {
      const from = file.includes("/") ? join(fixtures, file) : join(projects, file);
      await cp(from, join(project.folder, file.split("/").at(-1) ?? file));
    }
    await project.run("npm", ["install", "--offline", "--no-audit", "--no-fund", "--no-save", packed]);
    for (const one of packages) {
      const link = project.path(`node_modules/${one}`);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(packageFolder, "node_modules", one), link);
    }
    return project;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** Runs a program in the project; rejects with its output if it fails. */
  async run(program: string, words: string[]): Promise<Ran> {
    return promisify(execFile)(program, words, { cwd: this.folder, maxBuffer: 2 ** 26 }).catch((error) => {
      throw new Error(`${program} ${words.join(" ")}: ${error}\n${error.stdout}\n${error.stderr}`);
    });
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
};

/** A static server for a folder, which tells what was asked for. */
export class Site {
  readonly asked: string[] = [];
  readonly #server: Server;

  private constructor(folder: string, headers: Record<string, string>) {
    this.#server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://host");
      const path = decodeURIComponent(pathname.endsWith("/") ? `${pathname}index.html` : pathname);
      const body = await readFile(join(folder, path)).catch(() => undefined);
      if (pathname !== "/favicon.ico") this.asked.push(pathname);
      const type = types[extname(path)] ?? "application/octet-stream";
      response.writeHead(body ? 200 : 404, { ...headers, "content-type": type }).end(body);
    });
  }

  static async start(folder: string, headers: Record<string, string> = {}): Promise<Site> {
    const site = new Site(folder, headers);
    await new Promise<void>((resolve) => site.#server.listen(0, "127.0.0.1", resolve));
    return site;
  }

  address(path = ""): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${path}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
