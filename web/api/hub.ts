// `lorito.hub`: models and datasets from the Hugging Face hub by name, and uploads of a model. No hub is contacted until
// one of these methods is called.
import type { ModelSummary } from "lorito-wasm";
import { LoritoError, type Problem, problemOf } from "../shared/errors";
import { HUGGING_FACE, hostOf, hubAddress, isPrivateWay, placeOf } from "../shared/hub/place";
import type { HubDataset, HubPlace, HubTable, KeptRepo } from "../shared/hub/types";
import type { NamedFile, WorkerApi, WorkerEvent } from "../shared/protocol";
import type { ExportOptions } from "./types";

export interface TransferOptions {
  /** Bytes of all files together. */
  onProgress?: ((loaded: number, total: number) => void) | undefined;
  /** Cancels the transfer: the call rejects with "cancelled". */
  signal?: AbortSignal | undefined;
}

/** The parts of the page that the hub uses. */
export interface HubTools {
  ask<T>(question: (api: WorkerApi) => Promise<T>): Promise<T>;
  withWord<T>(ask: (call: number) => Promise<T>, take: (event: WorkerEvent) => void, signal?: AbortSignal): Promise<T>;
  opened(model: ModelSummary, files: NamedFile[]): Promise<ModelSummary & { vocabSize: number }>;
  exportFolder(name: string, language: string): Promise<NamedFile[]>;
  /** Called before the hub's files in the browser's storage are deleted. */
  forgetting(): Promise<void>;
  persist(): void;
}

export class Hub {
  readonly #tools: HubTools;
  #address = HUGGING_FACE;
  /** Whether the address comes from a link rather than from the user or a script. */
  #isLinked = false;

  constructor(tools: HubTools) {
    this.#tools = tools;
  }

  /** The hub's address: Hugging Face's, or any other with the same interface. */
  get address(): string {
    return this.#address;
  }

  set address(address: string) {
    this.#address = changed(() => hubAddress(address));
    this.#isLinked = false;
  }

  /** Sets the hub that a link names. Models and datasets are fetched there; nothing is uploaded to it, and it gets no token. */
  followLink(address: string): void {
    this.address = address;
    this.#isLinked = this.#address !== HUGGING_FACE;
  }

  /** The address of the hub for uploads, which a link cannot change. */
  get sendingAddress(): string {
    return this.#isLinked ? HUGGING_FACE : this.#address;
  }

  /** Parses "owner/name", "owner/name@revision", or an address, without a request. */
  place(text: string, type: HubPlace["type"] = "model"): HubPlace {
    return changed(() => placeOf(text, type, this.#address));
  }

  /** The repository for an upload. Throws if no token may be sent to its hub. */
  placeToSend(repo: string | HubPlace): HubPlace {
    const place = typeof repo === "string" ? changed(() => placeOf(repo, "model", this.sendingAddress)) : repo;
    const host = hostOf(place);
    if (!place.name.includes("/")) throw new LoritoError({ code: "hub-name-invalid", name: place.name });
    // A page that frames this one can redirect clicks and keystrokes without the user's knowledge.
    if (window.top !== window.self) throw new LoritoError({ code: "hub-token-framed", host });
    const isLinked = this.#isLinked && new URL(place.hub).origin === new URL(this.#address).origin;
    if (isLinked) throw new LoritoError({ code: "hub-linked", host });
    if (!isPrivateWay(place.hub)) throw new LoritoError({ code: "hub-token-exposed", host });
    return place;
  }

  /** Opens a model by its name. `unkept` says why its files are not stored on this device, if they are not. */
  async open(
    model: string | HubPlace,
    options: TransferOptions = {},
  ): Promise<ModelSummary & { vocabSize: number; notices: Problem[]; unkept: Problem | undefined }> {
    const place = typeof model === "string" ? this.place(model) : model;
    const notices: Problem[] = [];
    const ask = (api: WorkerApi, call: number) => api.openHubModel(call, place);
    const { summary, files, unkept } = await this.#transfer(options, ask, (notice) => notices.push(notice));
    if (!unkept) this.#tools.persist();
    return { ...(await this.#tools.opened(summary, files)), notices, unkept };
  }

  /** The tables of a dataset: one for each split of each configuration. */
  async dataset(name: string | HubPlace, { signal }: Pick<TransferOptions, "signal"> = {}): Promise<HubDataset> {
    const place = typeof name === "string" ? this.place(name, "dataset") : name;
    return this.#transfer({ signal }, (api, call) => api.hubDataset(call, place));
  }

  /** The files of a table, or only its first `parts`; `addText` accepts them unchanged. */
  async fetchTable(
    { place, commit }: HubDataset,
    { config, split, files }: HubTable,
    { parts = files.length, ...options }: TransferOptions & { parts?: number | undefined } = {},
  ): Promise<{ name: string; data: Blob[]; unkept: Problem | undefined }> {
    const wanted = files.slice(0, parts);
    const fetched = await this.#transfer(options, (api, call) => api.hubFiles(call, place, commit, wanted));
    if (!fetched.unkept) this.#tools.persist();
    const name = [place.name, config, split].filter((part) => part !== "default").join(" ");
    const data = fetched.files.map(({ data }) => data);
    return { name: `${name}.parquet`, data, unkept: fetched.unkept }; // the crate detects a format by the file extension
  }

  /** Returns the files that `send` uploads. `language`: that of the model card and the scripts. */
  filesToSend(name: string, { language = "en" }: ExportOptions = {}): Promise<NamedFile[]> {
    return this.#tools.exportFolder(name, language);
  }

  /**
   * Uploads files to a repository on the hub, as the owner of `token`; returns the address of its page. The token is sent
   * only to the hub, which a link cannot choose, and is not stored.
   */
  async send(
    repo: string | HubPlace,
    files: NamedFile[],
    { token, isPrivate = true, ...options }: TransferOptions & { token: string; isPrivate?: boolean },
  ): Promise<string> {
    const place = this.placeToSend(repo);
    if (!/^hf_\w+$/.test(token)) throw new LoritoError({ code: "hub-token-invalid" });
    return this.#transfer(options, (api, call) => api.sendToHub(call, { place, files, token, isPrivate }));
  }

  /** Repositories in the browser's storage, newest first; empty if the browser has no storage. */
  async kept(): Promise<KeptRepo[]> {
    return this.#tools
      .ask((api) => api.keptRepos())
      .catch((thrown) => {
        if (problemOf(thrown).code === "storage-unavailable") return [];
        throw thrown;
      });
  }

  /** Deletes a repository from the storage. A model that is open stays open. */
  async forget(key: string): Promise<void> {
    await this.#tools.forgetting();
    return this.#tools.ask((api) => api.forgetRepo(key));
  }

  #transfer<T>(
    { onProgress, signal }: TransferOptions,
    question: (api: WorkerApi, call: number) => Promise<T>,
    noticed: (notice: Problem) => void = () => {},
  ): Promise<T> {
    return this.#tools.withWord(
      (call) => this.#tools.ask((api) => question(api, call)),
      (event) => {
        if (event.event === "loaded") onProgress?.(event.loaded, event.total);
        if (event.event === "notice") noticed(event.notice);
      },
      signal,
    );
  }
}

/** Converts the `Problem` of an invalid address or name into the public error class. */
function changed<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    throw LoritoError.from(thrown);
  }
}
