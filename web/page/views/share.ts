// The last step: the model leaves the page as a file, stays on this device, or comes in from elsewhere.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import type { KeptRepo, RunSummary, SavedModel } from "../../api/lorito";
import { hostOf, placeName } from "../../shared/hub/place";
import type { ExportKind } from "../../shared/protocol";
import { bytes, currentLanguage, date, t, type Words, wordsOf } from "../i18n";
import { openAddress, takeFiles } from "../intake";
import { mayReplace } from "../prepare";
import { canShare, DEFAULT_NAME, fileName, saveFile, share } from "../save-file";
import type { Store } from "../state";
import { action } from "./fields";
import "./hub-model";
import "./hub-send";
import "./link";
import "./runs";
import { waiting } from "./hub-fields";
import { goTo, View } from "./view";

/** A run as one file, `run` or the one in training, for when this browser cannot save it. */
export async function downloadRun(store: Store, run?: RunSummary): Promise<void> {
  const name = run ? fileName(`${run.textName.replace(/\.\w+$/, "")} ${run.step}`) : "run";
  await store.attempt(run ? "share" : "train", { task: "packing" }, async () =>
    saveFile(await store.lorito.downloadRun(run?.run), `${name}.lorito`),
  );
}

/** What follows the name of the model in the name of its file. */
const endings: Record<ExportKind, string> = {
  safetensors: ".safetensors",
  huggingface: ".zip",
  "gguf-f16": ".f16.gguf",
  "gguf-q8": ".q8_0.gguf",
  adapter: ".adapter.zip",
  html: ".html",
};

/** Which of them this system's share sheet takes. */
const sharable = Object.fromEntries(
  Object.entries(endings).map(([kind, ending]) => [kind, canShare(ending)]),
) as Record<ExportKind, boolean>;

export async function download(store: Store, kind: ExportKind, name = DEFAULT_NAME): Promise<void> {
  store.clearErrors("share");
  await store.attempt("share", { task: "packing" }, async () =>
    saveFile(await store.lorito.exportModel(kind, name, { language: currentLanguage() }), name + endings[kind]),
  );
}

@customElement("lorito-share")
export class ShareView extends View {
  protected override readonly reads = ["model", "models", "kept", "storage", "busy", "tasks", "messages"] as const;
  @state() private name = "";
  @state() private renaming: string | undefined;
  @state() private done: Words | undefined;
  @state() private packed: { file: Blob; name: string } | undefined;
  @query("#model-file") private file!: HTMLInputElement;
  @query("#model-folder") private folder!: HTMLInputElement;
  @query("#address") private address!: HTMLInputElement;

  override render(): TemplateResult {
    return this.step(
      "share",
      html`<div class="columns">
          <div>
            <h3>${t("share.out")}</h3>
            ${this.#out()}
          </div>
          <div>
            <h3>${t("share.in")}</h3>
            ${this.#in()}
          </div>
        </div>
        <p class="done" role="status">${this.state.tasks.some(({ task }) => task === "packing") ? t("share.packing") : this.done?.()}</p>
        ${this.#packed()} ${this.#models()}`,
    );
  }

  get #able(): boolean {
    return this.state.model !== undefined && this.state.busy === undefined;
  }

  /** The download of a file, and beside it the system's share sheet if it takes such files. */
  #buttons(kind: ExportKind, label: string, look?: "primary"): TemplateResult {
    const able = this.#able;
    const name = this.#fileName + endings[kind];
    const sheet = html`${t("share.sheet")}<span class="visually-hidden">: ${name}</span>`;
    return html`<span class="row" data-kind=${kind}>
      ${action({ label, able, act: () => void download(this.store, kind, this.#fileName), ...(look ? { kind: look } : {}) })}
      ${sharable[kind] ? action({ label: sheet, able, act: () => void this.#share(kind, name) }) : nothing}
    </span>`;
  }

  async #share(kind: ExportKind, name: string): Promise<void> {
    this.store.clearErrors("share");
    await this.store.attempt("share", { task: "packing" }, async () => {
      const file = await this.store.lorito.exportModel(kind, this.#fileName, { language: currentLanguage() });
      if ((await share(file, name)) === "again") this.packed = { file, name };
    });
  }

  /** What was packed too slowly for the press that asked for it. */
  #packed(): TemplateResult | typeof nothing {
    const { packed } = this;
    if (!packed) return nothing;
    const give = async () => {
      this.packed = undefined;
      await this.store.attempt("share", undefined, async () => {
        if ((await share(packed.file, packed.name)) === "again") throw { code: "share-failed", name: packed.name };
      });
    };
    return html`<div class="message notice" role="status">
      <p>${t("share.sheetAgain", packed)}</p>
      ${action({ label: t("share.sheetNow"), able: true, act: () => void give() })}
    </div>`;
  }

  get #fileName(): string {
    return fileName(this.name);
  }

  #out(): TemplateResult {
    const context = this.state.model?.config.context;
    return html`<div class="field wide">
        <label for="model-name">${t("share.name")}</label>
        <input id="model-name" type="text" maxlength="60" autocomplete="off" placeholder=${DEFAULT_NAME} .value=${this.name}
          @input=${(event: Event) => {
            this.name = (event.target as HTMLInputElement).value;
          }}>
      </div>
      <ul class="ways">
        <li>
          ${this.#buttons("safetensors", t("share.safetensors"), "primary")}
          <small>${t("share.safetensors.about", { file: this.#fileName + endings.safetensors })}</small>
        </li>
        <li>
          ${this.#buttons("html", t("share.onePage"))}
          <small>${t("share.onePage.about", { file: this.#fileName + endings.html })}</small>
        </li>
        <li>
          ${this.#buttons("huggingface", t("share.huggingface"))}
          <small>${t("share.huggingface.about", { file: this.#fileName + endings.huggingface })}</small>
        </li>
        <li>
          ${this.#buttons("gguf-f16", t("share.gguf"))}
          <small>${t("share.gguf.about", { file: this.#fileName + endings["gguf-f16"] })}
            ${context ? t("share.gguf.context", { context }) : nothing}</small>
        </li>
        <li>
          ${this.#buttons("gguf-q8", t("share.ggufSmall"))}
          <small>${t("share.ggufSmall.about", { file: this.#fileName + endings["gguf-q8"] })}</small>
        </li>
        ${
          this.state.model?.adapter
            ? html`<li>
          ${this.#buttons("adapter", t("share.adapter"))}
          <small>${t("share.adapter.about", { file: this.#fileName + endings.adapter })}</small>
        </li>`
            : nothing
        }
        <li>
          ${action({ label: t("share.save"), able: this.#able, act: () => this.#save() })}
          <small>${t("share.save.about")}</small>
        </li>
        <li>
          <lorito-link .store=${this.store}></lorito-link>
        </li>
      </ul>
      <lorito-hub-send .store=${this.store}></lorito-hub-send>
      ${this.state.model ? nothing : html`<p class="hint">${t("need.model")}</p>`}`;
  }

  #in(): TemplateResult {
    const opening = this.state.tasks.filter(({ task }) => task === "opening");
    return html`<ul class="ways">
        <li>
          <input id="model-file" type="file" multiple accept=".safetensors,.lorito,.html,.zip,.json,.txt" hidden @change=${this.#chosen}>
          <button type="button" @click=${() => this.file.click()}>${t("share.open")}</button>
          <small>${t("share.open.about")}</small>
        </li>
        <li>
          <input id="model-folder" type="file" webkitdirectory hidden @change=${this.#chosenFolder}>
          <button type="button" @click=${() => this.folder.click()}>${t("share.openFolder")}</button>
          <small>${t("share.openFolder.about")}</small>
        </li>
      </ul>
      <form class="field wide" @submit=${this.#fetch}>
        <label for="address">${t("share.address")}</label>
        <span class="row">
          <input id="address" type="url" required placeholder="https://" autocomplete="off">
          <button type="submit">${t("share.fetch")}</button>
        </span>
        <small>${t("share.address.about")}</small>
      </form>
      <lorito-hub-model .store=${this.store}></lorito-hub-model>
      ${opening.map((busy, index) => waiting(index ? `opening-${index}` : "opening", t("share.opening", { name: busy.name }), busy))}`;
  }

  #models(): TemplateResult {
    const { models, kept, storage } = this.state;
    return html`<h3>${t("share.models")}</h3>
      ${
        models.length === 0
          ? html`<p class="hint">${t("share.noModels")}</p>`
          : html`<ul class="sources">
            ${models.map((model) => this.#model(model))}
          </ul>`
      }
      ${
        kept.length > 0
          ? html`<h3>${t("hub.kept")}</h3>
            <ul class="sources">
              ${kept.map((repo) => this.#kept(repo))}
            </ul>`
          : nothing
      }
      <lorito-runs .store=${this.store}></lorito-runs>
      ${storage ? html`<p class="hint">${t("share.storage", storage)}</p>` : nothing}`;
  }

  #kept({ key, place, bytes: here, total, modified }: KeptRepo): TemplateResult {
    const name = place.hub ? `${placeName(place)} (${hostOf(place)})` : place.name;
    const size = here < total ? t("hub.partly", { here, total }) : bytes(here);
    return html`<li>
      <span class="name">${name}</span>
      <span class="size">${size}${modified ? ` · ${date(modified)}` : ""}</span>
      <button type="button" class="plain" aria-label="${t("share.delete")}: ${name}" @click=${() => this.#forget(key, name)}>
        ${t("share.delete")}
      </button>
    </li>`;
  }

  #forget(key: string, name: string): void {
    void this.#change(async () => {
      await this.store.lorito.hub.forget(key);
      return wordsOf("share.deleted", { name });
    });
  }

  #model(model: SavedModel): TemplateResult {
    const { name } = model;
    const button = (label: string, action: () => unknown) =>
      html`<button type="button" class="plain" aria-label="${label}: ${name}" @click=${action}>${label}</button>`;
    if (this.renaming === name) return this.#rename(name);
    return html`<li>
      <span class="name">${name}</span>
      <span class="size">${bytes(model.bytes)} · ${date(model.modified)}</span>
      ${button(t("share.openSaved"), () => this.#open(name))}
      ${button(t("share.rename"), () => this.#askName(name))}
      ${button(t("share.download"), () => this.#saveFile(name))}
      ${button(t("share.delete"), () => this.#delete(name))}
    </li>`;
  }

  #rename(name: string): TemplateResult {
    return html`<li>
      <form class="row" @submit=${(event: SubmitEvent) => this.#renamed(event, name)}>
        <label class="visually-hidden" for="new-name">${t("share.newName", { name })}</label>
        <input id="new-name" type="text" required maxlength="60" .value=${name}>
        <button type="submit">${t("share.rename")}</button>
        <button type="button" class="plain" @click=${() => this.#askName(undefined)}>${t("share.keepName")}</button>
      </form>
    </li>`;
  }

  async #askName(name: string | undefined): Promise<void> {
    this.renaming = name;
    await this.updateComplete;
    this.querySelector<HTMLInputElement>("#new-name")?.select();
  }

  async #renamed(event: SubmitEvent, from: string): Promise<void> {
    event.preventDefault();
    const to = this.querySelector<HTMLInputElement>("#new-name")?.value ?? from;
    await this.#change(async () =>
      wordsOf("share.renamed", { from, to: await this.store.lorito.renameModel(from, to) }),
    );
    this.renaming = undefined;
  }

  /** Does something to the saved models, reads them anew and says what was done. */
  async #change(action: () => Promise<Words>): Promise<void> {
    this.store.clearErrors("share");
    this.done = undefined;
    await this.store.attempt("share", { task: "saving" }, async () => {
      const done = await action();
      await this.store.readModels();
      this.done = done;
    });
  }

  #save(): void {
    const wanted = this.name.trim() || DEFAULT_NAME;
    void this.#change(async () => wordsOf("share.saved", { name: await this.store.lorito.saveModel(wanted) }));
  }

  async #open(name: string): Promise<void> {
    if (!mayReplace(this.store)) return;
    const opened = await this.store.attempt("share", { task: "opening", name }, () =>
      this.store.lorito.openModel(name),
    );
    if (opened) this.#opened(name);
  }

  #opened(name: string): void {
    this.done = wordsOf("share.opened", { name });
    goTo("write");
  }

  #saveFile(name: string): void {
    void this.store.attempt("share", { task: "packing" }, async () =>
      saveFile(await this.store.lorito.savedModelFile(name), `${name}.safetensors`),
    );
  }

  #delete(name: string): void {
    if (confirm(t("share.confirmDelete", { name }))) {
      void this.#change(async () => {
        await this.store.lorito.deleteModel(name);
        return wordsOf("share.deleted", { name });
      });
    }
  }

  async #chosen(): Promise<void> {
    await this.#take(this.file);
  }

  async #chosenFolder(): Promise<void> {
    await this.#take(this.folder);
  }

  async #take(input: HTMLInputElement): Promise<void> {
    const files = [...(input.files ?? [])];
    input.value = "";
    const { opened } = await takeFiles(this.store, files, "share");
    if (opened) this.#opened(opened);
  }

  async #fetch(event: Event): Promise<void> {
    event.preventDefault();
    const address = this.address.value;
    if (await openAddress(this.store, address)) this.#opened(address);
  }
}
