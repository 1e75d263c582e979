// A form to upload the model to the hub: it shows the destination, the account and all files before anything is sent.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import { hostOf } from "../../shared/hub/place";
import { hubHost, isHuggingFace, isLinkedHub, packForHub, sendingHost, sendToHub, type Upload } from "../from-hub";
import { bytes, t } from "../i18n";
import { action } from "./fields";
import { refocus, waiting } from "./hub-fields";
import { View } from "./view";

@customElement("lorito-hub-send")
export class HubSendView extends View {
  protected override readonly reads = ["hub", "sendingHub", "busy", "tasks", "model", "messages"] as const;
  /** The upload under review. */
  @state() private upload: Upload | undefined;
  @state() private card = "";
  /** The address of the uploaded repository. */
  @state() private sent: string | undefined;
  @query("#hub-repo") private repo!: HTMLInputElement;
  @query("#hub-private") private isPrivate!: HTMLInputElement;
  /** The token is stored only in this field. */
  @query("#hub-token") private token!: HTMLInputElement | null;
  @query("#hub-upload") private shown!: HTMLElement | null;

  override render(): TemplateResult {
    const { busy, tasks, model, sendingHub } = this.state;
    const able = model !== undefined && busy === undefined;
    const host = sendingHost(this.store);
    const sending = tasks.find(({ task }) => task === "sending");
    return html`<details class="fold send">
      <summary>${isHuggingFace(sendingHub) ? t("send.title") : t("send.titleAt", { host })}</summary>
      <form @submit=${this.#pack} @input=${this.#changed}>
        <div class="field wide">
          <label for="hub-repo">${t("send.repo")}</label>
          <input id="hub-repo" type="text" required pattern="\\s*[\\w.\\-]+/[\\w.\\-]+\\s*" placeholder=${t("send.repoExample")} autocomplete="off"
            spellcheck="false" autocapitalize="none" aria-describedby="hub-repo-about">
          <small id="hub-repo-about">${t("send.repo.about", { host })}</small>
          ${isLinkedHub(this.store) ? html`<small>${t("send.linked", { host, linked: hubHost(this.store) })}</small>` : nothing}
        </div>
        <div class="field switch">
          <input id="hub-private" type="checkbox" checked aria-describedby="hub-private-about">
          <label for="hub-private">${t("send.private")}</label>
          <small id="hub-private-about">${t("send.private.about")}</small>
        </div>
        <p>${action({ label: t("send.show"), able, act: () => {}, submit: true })}</p>
      </form>
      ${this.upload ? this.#upload(this.upload, able) : nothing}
      ${sending ? waiting("sending", t("send.sending", { name: sending.name }), sending) : nothing}
      <p class="done" role="status">
        ${
          this.sent
            ? html`${t("send.sent")} <a href=${this.sent} target="_blank" rel="noopener noreferrer">${this.sent}</a>`
            : nothing
        }
      </p>
    </details>`;
  }

  #upload(upload: Upload, able: boolean): TemplateResult {
    const { place, files, isPrivate } = upload;
    const host = hostOf(place);
    const total = files.reduce((sum, { data }) => sum + data.size, 0);
    return html`<form id="hub-upload" tabindex="-1" aria-labelledby="hub-upload-title" @submit=${this.#send}>
      <h4 id="hub-upload-title">
        ${t(isPrivate ? "send.listPrivate" : "send.listPublic", { count: files.length, size: total, host, name: place.name })}
      </h4>
      <ul class="sources">
        ${files.map(
          ({ name, data }) =>
            html`<li><span class="name">${name}</span> <span class="size">${bytes(data.size)}</span></li>`,
        )}
      </ul>
      <details class="fold">
        <summary>${t("send.card")}</summary>
        <pre class="card" tabindex="0" aria-label=${t("send.card")}>${this.card}</pre>
      </details>
      <p class="hint">${t("send.words")}</p>
      <div class="field wide">
        <label for="hub-token">${t("send.token", { host })}</label>
        <input id="hub-token" type="password" required pattern="\\s*hf_\\w+\\s*" placeholder="hf_…" autocomplete="off" spellcheck="false"
          aria-describedby="hub-token-about">
        <small id="hub-token-about">${t("send.token.about", { host })}</small>
      </div>
      <p class="controls">
        ${action({ label: t("send.confirm", { count: files.length, host }), able, act: () => {}, submit: true, kind: "primary" })}
        <button type="button" @click=${this.#leave}>${t("send.leave")}</button>
      </p>
    </form>`;
  }

  async #pack(event: Event): Promise<void> {
    event.preventDefault();
    this.sent = undefined;
    const upload = await packForHub(this.store, this.repo.value, this.isPrivate.checked);
    this.card = (await upload?.files.find(({ name }) => name === "README.md")?.data.text()) ?? "";
    this.upload = upload;
    await this.updateComplete;
    this.shown?.focus();
  }

  /** Discards the reviewed files after a change, as they would differ from what is sent. */
  #changed(): void {
    this.#leave();
  }

  #leave(): void {
    if (this.token) this.token.value = "";
    this.upload = undefined;
  }

  async #send(event: Event): Promise<void> {
    event.preventDefault();
    const { upload, token } = this;
    if (!upload || !token) return;
    const address = await sendToHub(this.store, upload, token.value.trim());
    if (address === undefined) return refocus(token);
    this.#leave();
    this.sent = address;
    await this.updateComplete;
    this.querySelector<HTMLElement>("a")?.focus();
  }
}
