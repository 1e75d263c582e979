// Handles `?model=` and `?hub=` in the page's address: as links come from others, nothing is fetched before the user
// confirms, and the page names the hub of the link.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { problemOf } from "../../shared/errors";
import { hostOf, placeName, webAddress } from "../../shared/hub/place";
import { isHubName, isLinkedHub, leaveLinkedHub, openFromHub } from "../from-hub";
import { t } from "../i18n";
import { openAddress } from "../intake";
import { action } from "./fields";
import { refocus } from "./hub-fields";
import { goTo, View } from "./view";

@customElement("lorito-linked")
export class LinkedView extends View {
  protected override readonly reads = ["ready", "hub", "sendingHub", "busy"] as const;
  /** The model that the link names; undefined once it is open or the user has declined. */
  @state() private model = new URLSearchParams(location.search).get("model") || undefined;
  @state() private isFetching = false;

  override render(): TemplateResult {
    return html`${isLinkedHub(this.store) ? this.#hub() : nothing} ${this.model && !this.isFetching ? this.#question(this.model) : nothing}`;
  }

  #hub(): TemplateResult {
    return html`<div class="message notice" role="status">
      <p>${t("linked.hub", { hub: this.state.hub })}</p>
      <button type="button" @click=${() => leaveLinkedHub(this.store)}>${t("linked.usualHub")}</button>
    </div>`;
  }

  #question(model: string): TemplateResult | typeof nothing {
    const source = this.#source(model);
    if (!source) return nothing;
    const able = this.state.ready !== undefined && this.state.busy === undefined;
    return html`<section class="banner" aria-labelledby="linked-model">
      <h2 id="linked-model">${t("linked.fetch", source)}</h2>
      <p>${t("linked.about", source)}</p>
      <p class="controls">
        ${action({ label: t("linked.yes"), able, act: () => void this.#fetch(model), kind: "primary" })}
        <button type="button" @click=${this.#leave}>${t("linked.no")}</button>
      </p>
    </section>`;
  }

  /** The model's name and host, for the question; undefined if the address is invalid. */
  #source(model: string): { name: string; host: string } | undefined {
    try {
      if (isHubName(model)) {
        const place = this.store.lorito.hub.place(model);
        return { name: placeName(place), host: hostOf(place) };
      }
      const address = webAddress(model, location.href);
      return address && { name: address.href, host: address.host };
    } catch {
      return undefined;
    }
  }

  /** An invalid address is reported at once, without a question. */
  override connectedCallback(): void {
    super.connectedCallback();
    const { model } = this;
    if (model === undefined || this.#source(model)) return;
    this.model = undefined;
    const problem = isHubName(model)
      ? { code: "hub-name-invalid", name: model }
      : { code: "address-invalid", url: model };
    this.store.say("page", problemOf(problem));
  }

  async #fetch(model: string): Promise<void> {
    this.isFetching = true;
    goTo("share");
    const open = isHubName(model) ? openFromHub : openAddress;
    const isOpen = await open(this.store, model);
    this.isFetching = false;
    if (!isOpen) return refocus(document.querySelector("#address"));
    this.model = undefined;
    goTo("write");
  }

  /** Moves the focus, as the focused button is removed. */
  #leave(): void {
    this.model = undefined;
    goTo("text");
  }
}
