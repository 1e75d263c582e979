// A static host for the page, in any folder, with or without headers: it can be stopped, and can deploy new versions.
import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

interface File {
  body: Buffer;
  headers: Record<string, string>;
}

export class StaticHost {
  /** All requests: the method, the path below the folder, the status, and the bytes of the body. */
  readonly log: { method: string; path: string; status: number; bytes: number }[] = [];
  readonly #files = new Map<string, Promise<File>>();
  readonly #server: Server;
  #port = 0;

  /** `source`: the address of the page under test. `folders`: its paths on this host, for example "/some/where/". */
  private constructor(
    readonly source: string,
    readonly folders: readonly string[],
    readonly sendsHeaders: boolean,
  ) {
    this.#server = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? "", "http://host");
      const [folder] = folders.filter((one) => pathname.startsWith(one)).sort((a, b) => b.length - a.length);
      const path = folder === undefined ? "" : pathname.slice(folder.length);
      const file = folder === undefined ? undefined : await this.#file(folder, path).catch(() => undefined);
      const tag = file && `"${hash(file.body)}"`;
      const status = !file ? 404 : request.headers["if-none-match"] === tag ? 304 : 200;
      const body = status === 200 && file ? file.body : Buffer.alloc(0);
      this.log.push({ method: request.method ?? "", path, status, bytes: body.length });
      response.writeHead(status, { ...file?.headers, ...(tag ? { etag: tag } : {}) }).end(body);
    });
  }

  static async start(source: string, folders: readonly string[], sendsHeaders = false): Promise<StaticHost> {
    const host = new StaticHost(source, folders, sendsHeaders);
    await new Promise<void>((resolve) => host.#server.listen(0, "127.0.0.1", resolve));
    host.#port = (host.#server.address() as AddressInfo).port;
    return host;
  }

  address(folder = this.folders[0]): string {
    return `http://127.0.0.1:${this.#port}${folder}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Adds another page to the host. */
  add(path: string, html: string, folder = this.folders[0]): void {
    this.#files.set(
      folder + path,
      Promise.resolve({ body: Buffer.from(html), headers: { "content-type": "text/html" } }),
    );
  }

  /** Deploys other versions of files: `change` creates them from the text of each. */
  async deploy(paths: readonly string[], change: (text: string) => string, folder = this.folders[0]): Promise<void> {
    for (const path of paths) {
      const file = await this.#file(folder ?? "", path);
      const body = Buffer.from(change(file.body.toString()));
      this.#files.set(folder + path, Promise.resolve({ ...file, body }));
    }
  }

  /** Updates the list of files in the service worker, as the build would do for the current files. */
  async deployList(paths: readonly string[], folder = this.folders[0]): Promise<void> {
    let version = "";
    const hashes = new Map<string, string>();
    for (const path of paths) {
      const { body } = await this.#file(folder ?? "", path);
      hashes.set(path, hash(body));
      version += hash(body);
    }
    await this.deploy(
      ["service-worker.js"],
      (text) => {
        let list = text.replaceAll(/(["'`])[0-9a-f]{16}\1/g, `"${hash(Buffer.from(version)).slice(0, 16)}"`);
        for (const [path, now] of hashes) list = list.replace(new RegExp(`("${path}":")[0-9a-f]{64}`), `$1${now}`);
        if (list === text) throw new Error("the list of files is not where the tests expect it");
        return list;
      },
      folder,
    );
  }

  #file(folder: string, path: string): Promise<File> {
    const there = this.#files.get(folder + path) ?? this.#fromSource(path);
    this.#files.set(folder + path, there);
    return there;
  }

  async #fromSource(path: string): Promise<File> {
    const answer = await fetch(this.source + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    const { date: _date, etag: _etag, connection: _c, ...all } = Object.fromEntries(answer.headers);
    const type = { "content-type": all["content-type"] ?? "" };
    for (const ofTransfer of ["content-length", "last-modified", "keep-alive", "accept-ranges"]) delete all[ofTransfer];
    return { body: Buffer.from(await answer.arrayBuffer()), headers: this.sendsHeaders ? all : type };
  }
}

const hash = (body: Buffer) => createHash("sha256").update(body).digest("hex");
