// Loads the parts of the wasm that not every run needs (web/build/parts.mjs).
import type { Problem } from "../shared/errors";

/** The wasm called a function of a part that could not be loaded: its state is undefined. */
export class PartMissing extends WebAssembly.RuntimeError {}

/** The functions that the wasm calls when it needs a part immediately. */
declare global {
  var loadDeferred: () => void;
  var loadGpu: () => void;
}

/** The function of each part. */
const loaders = {
  /** Models of the Llama family, adapters, reading tables, chats and other people's models, exports, BPE. */
  deferred: "loadDeferred",
  /** The GPU's engine. */
  gpu: "loadGpu",
} as const;

export type PartName = keyof typeof loaders;

/** Links a part to the first module, which has these `exports`. */
export function link(name: PartName, exports: object, module: WebAssembly.Module): void {
  const prefix = `${name}:`;
  const shared = Object.entries(exports).filter(([exported]) => exported.startsWith(prefix));
  const imports = Object.fromEntries(shared.map(([exported, value]) => [exported.slice(prefix.length), value]));
  // Instantiation fills the function table of the first module's stubs.
  new WebAssembly.Instance(module, { [name]: imports } as WebAssembly.Imports);
  (imports.loaded as WebAssembly.Global).value = 1;
}

/** A part of the wasm. It is fetched on the first call that needs it, unless `load` did so before. */
export class WasmPart {
  readonly #name: PartName;
  readonly #exports: Promise<object>;
  readonly #url: string;
  #linked = false;
  #coming: Promise<void> | undefined;
  #tell: (module: WebAssembly.Module) => void = () => {};

  /** `exports`: those of the first module; `url`: the part's address. */
  constructor(name: PartName, exports: Promise<object>, url: string) {
    this.#name = name;
    this.#exports = exports;
    this.#url = url;
    void exports.then((known) => {
      globalThis[loaders[name]] = () => this.#loadNow(known);
    });
  }

  /** Resolves with the compiled part once something has loaded it, for other workers. */
  readonly loaded = new Promise<WebAssembly.Module>((resolve) => {
    this.#tell = resolve;
  });

  /** Resolves once the part is loaded. Rejects with "part-missing" if it cannot be fetched; a later call retries. */
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

  /** Loads it from an installed page's cache at once, if it is there: the network may be missing later. */
  async loadIfKept(): Promise<void> {
    const kept = await globalThis.caches?.match(this.#url).catch(() => undefined);
    if (kept) this.loadAhead();
  }

  async #fetch(): Promise<void> {
    const response = await fetch(this.#url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    const module = await WebAssembly.compile(await response.arrayBuffer());
    this.#link(await this.#exports, module);
  }

  /** Synchronous: the wasm cannot wait for a promise. */
  #loadNow(exports: object): void {
    try {
      const request = new XMLHttpRequest();
      request.open("GET", this.#url, false);
      request.responseType = "arraybuffer";
      request.send();
      this.#link(exports, new WebAssembly.Module(request.response as ArrayBuffer));
    } catch (thrown) {
      throw new PartMissing(String(thrown));
    }
  }

  /** Links only once: a second instance would duplicate its functions in the table. */
  #link(exports: object, module: WebAssembly.Module): void {
    if (this.#linked) return;
    link(this.#name, exports, module);
    this.#linked = true;
    this.#tell(module);
  }
}
