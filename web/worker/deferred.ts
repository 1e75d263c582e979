// Loads the deferred part of the wasm (web/build/split.mjs): models of the Llama family, adapters, reading tables, chats and
// other people's models, exports, BPE.
// It is fetched on the first call that needs it, or once a run trains; calls wait for it.
import type { Problem } from "../shared/errors";

/** The wasm called its deferred part, which could not be loaded: its state is undefined. */
export class PartMissing extends WebAssembly.RuntimeError {}

/** The prefix of the exports that the deferred part imports. */
const prefix = "deferred:";

declare global {
  /** Called by the wasm when it needs its deferred part immediately. */
  var loadDeferred: () => void;
}

/** Links the deferred part to the first one, which has these `exports`. */
export function link(exports: object, module: WebAssembly.Module): void {
  const shared = Object.entries(exports).filter(([name]) => name.startsWith(prefix));
  const imports = Object.fromEntries(shared.map(([name, value]) => [name.slice(prefix.length), value]));
  // Instantiation fills the function table of the first part's stubs.
  new WebAssembly.Instance(module, { deferred: imports } as WebAssembly.Imports);
  (imports.loaded as WebAssembly.Global).value = 1;
}

/** The deferred part of the wasm, at `url`. */
export class Deferred {
  readonly #exports: object;
  readonly #url: URL;
  #linked = false;
  #coming: Promise<void> | undefined;
  #tell: (module: WebAssembly.Module) => void = () => {};

  constructor(exports: object, url: URL) {
    this.#exports = exports;
    this.#url = url;
    globalThis.loadDeferred = () => this.#loadNow();
    void this.#loadIfKept();
  }

  /** Resolves with the compiled part once something has loaded it, for other workers. */
  readonly loaded = new Promise<WebAssembly.Module>((resolve) => {
    this.#tell = resolve;
  });

  /** Resolves once the deferred part is loaded. Rejects with "part-missing" if it cannot be fetched; a later call retries. */
  load(): Promise<void> {
    this.#coming ??= this.#fetch().catch(() => {
      this.#coming = undefined;
      throw { code: "part-missing" } satisfies Problem;
    });
    return this.#coming;
  }

  /** Loads it in advance; a failure is reported to the first call that needs it. */
  loadAhead(): void {
    void this.load().catch(() => {});
  }

  async #fetch(): Promise<void> {
    const response = await fetch(this.#url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    this.#link(await WebAssembly.compile(await response.arrayBuffer()));
  }

  /** Loads it from an installed page's cache at once: the network may be missing later. */
  async #loadIfKept(): Promise<void> {
    const kept = await globalThis.caches?.match(this.#url).catch(() => undefined);
    if (kept) this.loadAhead();
  }

  /** Synchronous: the wasm cannot wait for a promise. */
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

  /** Links only once: a second instance would duplicate its functions in the table. */
  #link(module: WebAssembly.Module): void {
    if (this.#linked) return;
    link(this.#exports, module);
    this.#linked = true;
    this.#tell(module);
  }
}
