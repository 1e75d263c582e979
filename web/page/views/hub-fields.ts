// What the forms that ask a hub have in common: which one it is, how far a transfer is, and a way to end it.
import { html, nothing, type TemplateResult } from "lit";
import { hubHost, isLinkedHub, useHub } from "../from-hub";
import { bytes, t } from "../i18n";
import type { Busy, Message, Store } from "../state";

/** Another hub than Hugging Face's own: few have one, so it is folded away. */
export function hubField(store: Store, place: Message["place"]): TemplateResult {
  const id = `${place}-hub`;
  const { hub } = store.state;
  // What the person types here is trusted with their token; the word of a link stays the link's.
  const isLinked = isLinkedHub(store);
  return html`<details class="fold">
    <summary>${t("hub.other")}</summary>
    <div class="field wide">
      <label for=${id}>${t("hub.address")}</label>
      <input id=${id} type="url" autocomplete="off" spellcheck="false" placeholder=${isLinked ? hub : nothing} .value=${isLinked ? "" : hub}
        @change=${(event: Event) => useHub(store, place, (event.target as HTMLInputElement).value)}>
      <small>${t("hub.address.about", { host: hubHost(store) })}</small>
    </div>
  </details>`;
}

/** A bar for what keeps this part of the page waiting. */
export function waiting(id: string, label: string, { done, total, cancel }: Busy): TemplateResult {
  // A screen reader hears what begins, and the figures when it is asked for them.
  return html`<div class="waiting">
    <p role="status"><label for=${id}>${label}</label></p>
    <progress id=${id} max=${total ?? nothing} value=${total ? (done ?? nothing) : nothing}></progress>
    <span class="row">
      ${done ? html`<small>${t("share.fetched", { done, total: total ? bytes(total) : "?" })}</small>` : nothing}
      ${cancel ? html`<button type="button" @click=${cancel}>${t("hub.cancel")}</button>` : nothing}
    </span>
  </div>`;
}

/** Where the focus goes when the button that has it goes with the transfer that it ended. */
export function refocus(element: HTMLElement | null): void {
  const focused = document.activeElement;
  if (focused === document.body || focused?.closest(".waiting")) element?.focus();
}
