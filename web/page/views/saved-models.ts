// Lists the models on this device: saved ones, and downloads from the hub.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import type { KeptRepo, SavedModel } from "../../api/lorito";
import { hostOf, placeName } from "../../shared/hub/place";
import { bytes, date, t, type Words, wordsOf } from "../i18n";
import { mayReplace } from "../prepare";
import { saveFile } from "../save-file";
import type { Store } from "../state";
import { View } from "./view";

/** Changes the saved models and reads the list again. Returns the message of the result. */
export async function changeModels(store: Store, action: () => Promise<Words>): Promise<Words | undefined> {
  store.clearErrors("share");
  return store.attempt("share", { task: "saving" }, async () => {
    const done = await action();
    await store.readModels();
    return done;
  });
}

@customElement("lorito-saved-models")
export class SavedModelsView extends View {
  protected override readonly reads = ["models", "kept"] as const;
  /** Called with the name of a model that was opened. */
  @property({ attribute: false }) opened!: (name: string) => void;
  @state() private renaming: string | undefined;
  @state() private done: Words | undefined;

  override render(): TemplateResult {
    const { models, kept } = this.state;
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
      <p class="done" role="status">${this.done?.()}</p>`;
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

  async #change(action: () => Promise<Words>): Promise<void> {
    this.done = undefined;
    this.done = await changeModels(this.store, action);
  }

  async #open(name: string): Promise<void> {
    if (!mayReplace(this.store)) return;
    const opened = await this.store.attempt("share", { task: "opening", name }, () =>
      this.store.lorito.openModel(name),
    );
    if (opened) this.opened(name);
  }

  #saveFile(name: string): void {
    void this.store.attempt("share", { task: "packing" }, async () =>
      saveFile(await this.store.lorito.savedModelFile(name), `${name}.safetensors`),
    );
  }

  #delete(name: string): void {
    if (!confirm(t("share.confirmDelete", { name }))) return;
    void this.#change(async () => {
      await this.store.lorito.deleteModel(name);
      return wordsOf("share.deleted", { name });
    });
  }

  #forget(key: string, name: string): void {
    void this.#change(async () => {
      await this.store.lorito.hub.forget(key);
      return wordsOf("share.deleted", { name });
    });
  }
}
