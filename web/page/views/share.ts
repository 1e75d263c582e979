// The last step: exports the model, saves it on this device, or opens another one.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { t, type Words, wordsOf } from "../i18n";
import { openAddress, takeFiles } from "../intake";
import "./export";
import { waiting } from "./hub-fields";
import "./hub-model";
import "./runs";
import "./saved-models";
import { goTo, View } from "./view";

@customElement("lorito-share")
export class ShareView extends View {
  protected override readonly reads = ["storage", "tasks", "messages"] as const;
  @state() private done: Words | undefined;
  @query("#model-file") private file!: HTMLInputElement;
  @query("#model-folder") private folder!: HTMLInputElement;
  @query("#address") private address!: HTMLInputElement;

  override render(): TemplateResult {
    const { storage } = this.state;
    return this.step(
      "share",
      html`<lorito-export .store=${this.store}></lorito-export>
        <h3>${t("share.in")}</h3>
        ${this.#in()}
        <p class="done" role="status">${this.done?.()}</p>
        <lorito-saved-models .store=${this.store} .opened=${(name: string) => this.#opened(name)}></lorito-saved-models>
        <lorito-runs .store=${this.store}></lorito-runs>
        ${storage ? html`<p class="hint">${t("share.storage", storage)}</p>` : nothing}`,
    );
  }

  #in(): TemplateResult {
    const opening = this.state.tasks.filter(({ task }) => task === "opening");
    return html`<div class="columns">
        <ul class="ways">
          <li>
            <input id="model-file" type="file" multiple accept=".safetensors,.gguf,.bin,.lorito,.html,.zip,.json,.txt" hidden @change=${this.#chosen}>
            <button type="button" @click=${() => this.file.click()}>${t("share.open")}</button>
            <small>${t("share.open.about")}</small>
          </li>
          <li>
            <input id="model-folder" type="file" webkitdirectory hidden @change=${this.#chosenFolder}>
            <button type="button" @click=${() => this.folder.click()}>${t("share.openFolder")}</button>
            <small>${t("share.openFolder.about")}</small>
          </li>
        </ul>
        <div>
          <form class="field wide" @submit=${this.#fetch}>
            <label for="address">${t("share.address")}</label>
            <span class="row">
              <input id="address" type="url" required placeholder="https://" autocomplete="off">
              <button type="submit">${t("share.fetch")}</button>
            </span>
            <small>${t("share.address.about")}</small>
          </form>
          <lorito-hub-model .store=${this.store}></lorito-hub-model>
        </div>
      </div>
      ${opening.map((busy, index) => waiting(index ? `opening-${index}` : "opening", t("share.opening", { name: busy.name }), busy))}`;
  }

  #opened(name: string): void {
    this.done = wordsOf("share.opened", { name });
    goTo("write");
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
