// A form to open a model from the hub by its name.
import { html, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";
import { hubHost, isHuggingFace, openFromHub } from "../from-hub";
import { t } from "../i18n";
import { action } from "./fields";
import { hubField, refocus } from "./hub-fields";
import { goTo, View } from "./view";

@customElement("lorito-hub-model")
export class HubModelView extends View {
  protected override readonly reads = ["hub", "sendingHub", "busy", "messages"] as const;
  @query("#hub-model") private name!: HTMLInputElement;

  override render(): TemplateResult {
    const host = hubHost(this.store);
    return html`<form class="field wide" @submit=${this.#open}>
        <label for="hub-model">${isHuggingFace(this.state.hub) ? t("hub.model") : t("hub.modelAt", { host })}</label>
        <span class="row">
          <input id="hub-model" type="text" required placeholder="openai-community/gpt2" autocomplete="off" spellcheck="false"
            autocapitalize="none" aria-describedby="hub-model-about">
          ${action({ label: t("hub.open"), able: this.state.busy === undefined, act: () => {}, submit: true })}
        </span>
        <small id="hub-model-about">${t("hub.model.about", { host })}</small>
      </form>
      ${hubField(this.store, "share")}`;
  }

  async #open(event: Event): Promise<void> {
    event.preventDefault();
    if (await openFromHub(this.store, this.name.value)) return goTo("write");
    refocus(this.name);
  }
}
