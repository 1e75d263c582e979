// A small hub on this machine: it implements the parts of huggingface.co that the page uses, with the same paths, headers
// and redirects. It can interrupt, delay and refuse transfers on demand.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Files = Record<string, Buffer | string>;

interface Repo {
  isPrivate: boolean;
  /** The newest commit of each branch. */
  branches: Map<string, { commit: string; files: Map<string, Buffer> }>;
}

/** Entries per page of a list; on huggingface.co a thousand. */
const pageLength = 3;
const hash = (kind: string, ...data: (Buffer | string)[]) =>
  data.reduce((hash, part) => hash.update(part), createHash(kind)).digest("hex");
const isLarge = (path: string) => /\.(safetensors|parquet)$/.test(path);

export class HubServer {
  address = "";
  /** All requests except preflights: "GET /api/models/…", with range and token. */
  readonly log: { line: string; range: string | undefined; token: string | undefined; sent: number }[] = [];
  readonly repos = new Map<string, Repo>();
  /** Tokens with write permission, and their owners' names. */
  readonly tokens = new Map<string, string>();
  /** Interrupts transfers after so many bytes of a file: the next one after the first of these, and so on. */
  breaks: number[] = [];
  /** Sends so many bytes of a file and then waits. */
  holdAfter: number | undefined;
  /** Accepts uploads of large files without a response. */
  holdUploads = false;
  /** Responds with whole files to range requests. */
  ignoreRanges = false;
  /** Overrides the responses of API paths. */
  says: (path: string) => string | undefined = () => undefined;
  /** Sends bytes that do not match their hashes. */
  damaged = false;
  readonly #server: Server;
  /** Large files, by hash. */
  readonly #large = new Map<string, Buffer>();

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.address = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Adds files to a repository: "owner/name", "datasets/owner/name"; the existing ones stay. */
  put(name: string, files: Files, branch = "main", isPrivate = false): string {
    const repo: Repo = this.repos.get(name) ?? { isPrivate, branches: new Map() };
    const before = repo.branches.get(branch)?.files ?? new Map<string, Buffer>();
    const all = new Map([
      ...before,
      ...Object.entries(files).map(([path, data]) => [path, Buffer.from(data)] as const),
    ]);
    const commit = hash("sha1", name, branch, ...[...all].flat());
    for (const data of all.values()) this.#large.set(hash("sha256", data), data);
    repo.branches.set(branch, { commit, files: all });
    this.repos.set(name, repo);
    return commit;
  }

  files(name: string): Map<string, Buffer> | undefined {
    return this.repos.get(name)?.branches.get("main")?.files;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const { origin } = request.headers;
    if (origin) response.setHeader("access-control-allow-origin", origin);
    response.setHeader("vary", "Origin");
    response.setHeader(
      "access-control-expose-headers",
      "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag",
    );
    if (request.method === "OPTIONS") {
      response.setHeader("access-control-allow-methods", "GET,HEAD,POST,PUT");
      response.setHeader("access-control-allow-headers", request.headers["access-control-request-headers"] ?? "");
      return response.writeHead(204).end();
    }
    const url = new URL(request.url ?? "", this.address);
    const path = decodeURIComponent(url.pathname);
    const token = request.headers.authorization?.replace("Bearer ", "");
    const entry = { line: `${request.method} ${path}`, range: request.headers.range, token, sent: 0 };
    this.log.push(entry);
    const body = await bodyOf(request);

    const large = path.match(/^\/(?:lfs|cdn)\/([0-9a-f]{64})$/)?.[1];
    if (large && request.method === "PUT") {
      if (this.holdUploads) return;
      if (hash("sha256", body) !== large) return fail(response, 400);
      this.#large.set(large, body);
      return response.writeHead(200).end();
    }
    if (large) return this.#file(request, response, this.#large.get(large), entry);
    if (request.method === "POST") return this.#post(path, body, token, response);

    const said = this.says(path);
    if (said !== undefined) return response.writeHead(200, { "content-type": "application/json" }).end(said);
    const [, kind, name, what, rest = ""] =
      path.match(/^\/api\/(models|datasets)\/((?:[^/]+\/)?[^/]+)\/(revision|tree)\/(.+)$/) ??
      path.match(/^()\/(.+?)\/(resolve)\/(.+)$/) ??
      [];
    const key = kind === "datasets" ? `datasets/${name}` : (name ?? "");
    const repo = this.repos.get(key);
    // Like huggingface.co, does not reveal whether an inaccessible repository exists.
    if (!repo) return fail(response, 401, "RepoNotFound");
    if (repo.isPrivate && !this.#owns(token, key)) return fail(response, 403, "GatedRepo");
    const found = [...repo.branches].find(
      ([branch, { commit }]) =>
        rest === branch || rest.startsWith(`${branch}/`) || rest === commit || rest.startsWith(`${commit}/`),
    );
    const revision = rest === "HEAD" ? repo.branches.get("main") : found?.[1];
    if (!revision) return fail(response, 404, "RevisionNotFound");
    const { commit, files } = revision;
    if (what === "revision") {
      return json(response, {
        _id: "1",
        id: name,
        sha: commit,
        private: repo.isPrivate,
        gated: false,
        lastModified: 0,
      });
    }
    if (what === "tree") return this.#tree(url, response, files);
    const inside = rest.slice(rest.startsWith(commit) ? commit.length + 1 : (found?.[0].length ?? 0) + 1);
    const data = files.get(inside);
    if (!data) return fail(response, 404, "EntryNotFound");
    response.setHeader("x-repo-commit", commit);
    if (!isLarge(inside)) return this.#file(request, response, data, entry);
    const sha = hash("sha256", data);
    response.setHeader("x-linked-etag", `"${sha}"`);
    return response.writeHead(302, { location: `${this.address}/cdn/${sha}` }).end();
  }

  #tree(url: URL, response: ServerResponse, files: Map<string, Buffer>): unknown {
    const isRecursive = url.searchParams.get("recursive") === "true";
    const folders = new Set([...files.keys()].filter((path) => path.includes("/")).map((path) => path.split("/")[0]));
    const all = [
      ...[...folders].map((path) => ({ type: "directory", oid: "0", size: 0, path })),
      ...[...files]
        .filter(([path]) => isRecursive || !path.includes("/"))
        .map(([path, data]) => ({
          type: "file",
          oid: hash("sha1", `blob ${data.length}\0`, data),
          size: data.length,
          path,
          ...(isLarge(path) ? { lfs: { oid: hash("sha256", data), size: data.length, pointerSize: 134 } } : {}),
        })),
    ];
    const from = Number(url.searchParams.get("cursor") ?? 0);
    if (from + pageLength < all.length) {
      url.searchParams.set("cursor", String(from + pageLength));
      response.setHeader("link", `<${url.href}>; rel="next"`);
    }
    return json(response, all.slice(from, from + pageLength));
  }

  #file(
    request: IncomingMessage,
    response: ServerResponse,
    whole: Buffer | undefined,
    entry: { sent: number },
  ): unknown {
    if (!whole) return fail(response, 404, "EntryNotFound");
    const data = this.damaged ? Buffer.from(whole).fill(7, whole.length >> 1) : whole;
    const from = this.ignoreRanges ? 0 : Number(request.headers.range?.match(/^bytes=(\d+)-$/)?.[1] ?? 0);
    if (from > 0 && from >= data.length) return fail(response, 416);
    const body = data.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      etag: `"${hash("md5", data)}"`,
      "accept-ranges": "bytes",
      "content-length": body.length,
      ...(from > 0 ? { "content-range": `bytes ${from}-${data.length - 1}/${data.length}` } : {}),
    });
    const count = (bytes: number) => {
      entry.sent = bytes;
    };
    if (this.holdAfter !== undefined && body.length > this.holdAfter) {
      count(this.holdAfter);
      return response.write(body.subarray(0, this.holdAfter));
    }
    const breakAfter = this.breaks.shift();
    if (breakAfter !== undefined) {
      count(breakAfter);
      // The browser should receive the data before the connection is closed.
      return response.write(body.subarray(0, breakAfter), () => setTimeout(() => response.destroy(), 100));
    }
    count(body.length);
    return response.end(body);
  }

  #post(path: string, body: Buffer, token: string | undefined, response: ServerResponse): unknown {
    const owner = token && this.tokens.get(token);
    if (!owner) return fail(response, 401);
    if (path === "/api/repos/create") {
      const { name, organization, visibility, type } = JSON.parse(body.toString());
      const key = `${type === "dataset" ? "datasets/" : ""}${organization}/${name}`;
      if (organization !== owner) return fail(response, 403);
      if (this.repos.has(key)) return fail(response, 409);
      this.put(key, { ".gitattributes": "*.safetensors filter=lfs" }, "main", visibility === "private");
      return json(response, { url: `${this.address}/${key}`, id: key });
    }
    const [, name = "", what] =
      path.match(/^\/api\/models\/(.+?)\/(preupload|commit)\/main$/) ??
      path.match(/^\/(.+?)\.git\/info\/lfs\/objects\/(batch)$/) ??
      [];
    if (!this.#owns(token, name) || !this.repos.has(name)) return fail(response, 403);
    if (what === "preupload") {
      const { files } = JSON.parse(body.toString()) as { files: { path: string }[] };
      const mode = ({ path }: { path: string }) => ({ path, uploadMode: isLarge(path) ? "lfs" : "regular" });
      return json(response, { files: files.map(mode) });
    }
    if (what === "batch") {
      const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
      const upload = ({ oid, size }: { oid: string; size: number }) => ({
        oid,
        size,
        authenticated: true,
        actions: { upload: { href: `${this.address}/lfs/${oid}` } },
      });
      return json(response, { transfer: "basic", objects: objects.map(upload) });
    }
    const files: Files = {};
    for (const line of body.toString().trim().split("\n")) {
      const { key, value } = JSON.parse(line);
      if (key === "file") files[value.path] = Buffer.from(value.content, value.encoding);
      const large = key === "lfsFile" ? this.#large.get(value.oid) : undefined;
      if (key === "lfsFile" && !large) return fail(response, 400);
      if (large) files[value.path] = large;
    }
    const commit = this.put(name, files);
    return json(response, { commitOid: commit, commitUrl: `${this.address}/${name}/commit/${commit}`, hookOutput: "" });
  }

  #owns(token: string | undefined, name: string): boolean {
    const owner = token && this.tokens.get(token);
    return owner !== undefined && name.startsWith(`${owner}/`);
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

function json(response: ServerResponse, value: unknown): ServerResponse {
  return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}

function fail(response: ServerResponse, status: number, code?: string): ServerResponse {
  if (code) response.setHeader("x-error-code", code);
  return response
    .writeHead(status, { "content-type": "application/json" })
    .end(JSON.stringify({ error: code ?? "no" }));
}
