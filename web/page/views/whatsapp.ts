// Renders a WhatsApp chat in the list of sources: the choice of "you", what was left out, and the beginnings of the
// resulting conversations.
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { repeat } from "lit/directives/repeat.js";
import type { ChatFilters, ChatMessage, ChatReport } from "../../api/lorito";
import { number, t } from "../i18n";
import { changeChat } from "../intake";
import type { Original, Store } from "../state";

const FILTERS = [
  ["media", "whatsapp.media", "whatsapp.out"],
  ["deleted", "whatsapp.deleted", "whatsapp.out"],
  ["edited", "whatsapp.edited", "whatsapp.out"],
  ["system", "whatsapp.system", "whatsapp.out"],
  ["links", "whatsapp.links", "whatsapp.replaced"],
  ["mails", "whatsapp.mails", "whatsapp.replaced"],
  ["numbers", "whatsapp.numbers", "whatsapp.replaced"],
] as const satisfies readonly (readonly [keyof ChatFilters, string, string])[];

/** `file`: the chat's original, which can be read again with other options; without it, the chat is only shown. */
export function whatsappChat(
  store: Store,
  chat: ChatReport,
  file: Original | undefined,
  index: number,
): TemplateResult {
  if (chat.plain) return html`<div class="chat-file">${plainSwitch(store, chat, file, index)}</div>`;
  return html`<div class="chat-file">
    <div class="chat-choices">
      ${people(store, chat, file, index)} ${filters(store, chat, file, index)} ${plainSwitch(store, chat, file, index)}
    </div>
    ${preview(chat, index)}
  </div>`;
}

function people(store: Store, { people, you }: ChatReport, file: Original | undefined, index: number): TemplateResult {
  const id = `you-${index}`;
  const choose = (event: Event) => {
    const { value } = event.target as HTMLSelectElement;
    void changeChat(store, file, (options) => ({ ...options, you: value }));
  };
  // The options are selected individually, as a select cannot take a value before its options exist.
  return html`<div class="field">
    <label for=${id}>${t("whatsapp.you")}</label>
    <select id=${id} aria-describedby="${id}-hint" ?disabled=${!file} @change=${choose}>
      ${repeat(
        people,
        ({ name }) => name,
        ({ name, messages }) =>
          html`<option value=${name} .selected=${live(name === you)}>${t("whatsapp.person", { name, count: messages })}</option>`,
      )}
    </select>
    <small id="${id}-hint">${t("whatsapp.youHint")}</small>
  </div>`;
}

function filters(store: Store, chat: ChatReport, file: Original | undefined, index: number): TemplateResult {
  const { removed, lines, silent, you } = chat;
  return html`<fieldset class="chat-filters" ?disabled=${!file}>
    <legend>${t("whatsapp.leaveOut")}</legend>
    ${FILTERS.map(([filter, label, done]) => {
      const id = `${filter}-${index}`;
      const on = chat.filters[filter] === true;
      const count = chat.found[filter];
      const change = (event: Event) => {
        const wanted = (event.target as HTMLInputElement).checked;
        void changeChat(store, file, (options) => ({ ...options, filters: { ...options.filters, [filter]: wanted } }));
      };
      return html`<div class="field switch">
        <input id=${id} type="checkbox" aria-describedby="${id}-found" .checked=${live(on)} @change=${change}>
        <label for=${id}>${t(label)}</label>
        <span id="${id}-found" class="found">${t(count === 0 ? "whatsapp.none" : on ? done : "whatsapp.kept", { count })}</span>
      </div>`;
    })}
    <p class="hint" role="status">
      ${t("whatsapp.removed", { removed, count: lines })}
      ${silent > 0 ? t("whatsapp.silent", { count: silent, you }) : nothing}
    </p>
  </fieldset>`;
}

function plainSwitch(store: Store, { plain }: ChatReport, file: Original | undefined, index: number): TemplateResult {
  const change = (event: Event) => {
    const on = (event.target as HTMLInputElement).checked;
    void changeChat(store, file, (options) => ({ ...options, plain: on }));
  };
  return html`<div class="field switch">
    <input id="plain-${index}" type="checkbox" ?disabled=${!file} .checked=${live(plain)} @change=${change}>
    <label for="plain-${index}">${t("whatsapp.plain")}</label>
  </div>`;
}

function preview({ preview, you }: ChatReport, index: number): TemplateResult {
  const turn = ({ role, content }: ChatMessage) => html`<li class="turn ${role}">
    <p class="who">${role === "assistant" ? t("whatsapp.learned", { you }) : t("whatsapp.read")}</p>
    <p class="words">${content}</p>
  </li>`;
  return html`<figure class="sheet chat-preview">
    <figcaption id="chat-preview-${index}">${t("whatsapp.preview")}</figcaption>
    <div tabindex="0" role="group" aria-labelledby="chat-preview-${index}">
      ${preview.map(
        (conversation, place) => html`<ol aria-label=${t("whatsapp.conversation", { number: number(place + 1) })}>
          ${conversation.map(turn)}
        </ol>`,
      )}
    </div>
    <p class="hint">${t("whatsapp.silence")}</p>
  </figure>`;
}
