// The deferred part of the wasm (web/build/split.mjs): reading tables, chats and other people's models, exports, BPE. It is
// fetched when something is asked for that needs it, or once a run trains. What is called before is waited for.
import type { Problem } from "../shared/errors";

/** The wasm could not go on without its deferred part: it is in no known state. */
export class PartMissing extends WebAssembly.RuntimeError {}

/** How the exports that are for the deferred part begin. */
const prefix = "deferred:";

declare global {
  /** Called by the wasm, which needs its deferred part at once. */
  var loadDeferred: () => void;
}

/** Joins the deferred part to the first one, whose `exports` these are. */
export function link(exports: object, module: WebAssembly.Module): void {
  const shared = Object.entries(exports).filter(([name]) => name.startsWith(prefix));
  const imports = Object.fromEntries(shared.map(([name, value]) => [name.slice(prefix.length), value]));
  // It fills the table of functions that the stubs call.
  new WebAssembly.Instance(module, { deferred: imports } as WebAssembly.Imports);
  (imports.loaded as WebAssembly.Global).value = 1;
}

/** The deferred part of the wasm, at `url`. */
export class Deferred {
  readonly #exports: object;
  readonly #url: URL;
  #linked = false;
  #coming: Promise<void> | undefined;

  constructor(exports: object, url: URL) {
    this.#exports = exports;
    this.#url = url;
    globalThis.loadDeferred = () => this.#loadNow();
    void this.#loadIfKept();
  }

  /** Resolves once the deferred part is there. Rejects with "part-missing" where it does not come; then it can be tried again. */
  load(): Promise<void> {
    this.#coming ??= this.#fetch().catch(() => {
      this.#coming = undefined;
      throw { code: "part-missing" } satisfies Problem;
    });
    return this.#coming;
  }

  /** Loads it for later: whoever needs it then is told if it does not come. */
  loadAhead(): void {
    void this.load().catch(() => {});
  }

  async #fetch(): Promise<void> {
    const response = await fetch(this.#url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    this.#link(await WebAssembly.compile(await response.arrayBuffer()));
  }

  /** An installed page has it, and may be without network when it is needed. */
  async #loadIfKept(): Promise<void> {
    const kept = await globalThis.caches?.match(this.#url).catch(() => undefined);
    if (kept) this.loadAhead();
  }

  /** The wasm cannot wait for a promise. */
  #loadNow(): void {
    try {
      const request = new XMLHttpRequest();
      request.open("GET", this.#url, false);
      request.responseType = "arraybuffer";
      request.send();
      this.#link(new WebAssembly.Module(request.response as ArrayBuffer));
    } catch (thrown) {
      throw new PartMissing(String(thrown));
    }
  }

  /** Once: the module and its table would otherwise be there twice. */
  #link(module: WebAssembly.Module): void {
    if (this.#linked) return;
    link(this.#exports, module);
    this.#linked = true;
  }
}
