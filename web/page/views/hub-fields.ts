// Renders the common parts of the forms for the hub: its address, a transfer's progress, and a cancel button.
import { html, nothing, type TemplateResult } from "lit";
import { hubHost, isLinkedHub, useHub } from "../from-hub";
import { bytes, t } from "../i18n";
import type { Busy, Message, Store } from "../state";

/** A field for another hub's address: rarely needed, so it is folded away. */
export function hubField(store: Store, place: Message["place"]): TemplateResult {
  const id = `${place}-hub`;
  const { hub } = store.state;
  // The user's token may be sent to an address that they type, so one from a link is not filled in.
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

/** A progress bar for the task in this part of the page. */
export function waiting(id: string, label: string, { done, total, cancel }: Busy): TemplateResult {
  // Screen readers announce the start; the numbers are available on request.
  return html`<div class="waiting">
    <p role="status"><label for=${id}>${label}</label></p>
    <progress id=${id} max=${total ?? nothing} value=${total ? (done ?? nothing) : nothing}></progress>
    <span class="row">
      ${done ? html`<small>${t("share.fetched", { done, total: total ? bytes(total) : "?" })}</small>` : nothing}
      ${cancel ? html`<button type="button" @click=${cancel}>${t("hub.cancel")}</button>` : nothing}
    </span>
  </div>`;
}

/** Moves the focus if the focused button was removed at the end of a transfer. */
export function refocus(element: HTMLElement | null): void {
  const focused = document.activeElement;
  if (focused === document.body || focused?.closest(".waiting")) element?.focus();
}
