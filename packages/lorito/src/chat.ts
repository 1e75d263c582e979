// The element <lorito-chat src="model.safetensors">: a conversation with one model, for pages that want nothing else. Its file
// is fetched once somebody turns to it, from the given address and from no other.
import type { AnswerOptions, ChatMessage } from "../../../web/api/types";
import { LoritoError } from "../../../web/shared/errors";
import { type ChatWords, wordsIn } from "./chat-words";
import { createLorito, type Lorito } from "./index";

const looks = `
  :host { display: block; max-width: 40rem; font: inherit; color-scheme: light dark; }
  :host([hidden]) { display: none; }
  [role="log"] { max-height: 24rem; overflow-y: auto; margin-block-end: 0.75rem; }
  p { margin: 0 0 0.5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
  strong { display: block; font-size: 0.85em; }
  label { display: block; }
  textarea { box-sizing: border-box; width: 100%; font: inherit; }
  button { font: inherit; margin-block: 0.5rem; margin-inline-end: 0.5rem; }
  button[aria-disabled="true"] { opacity: 0.5; cursor: default; }
  .spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

/** Options of an answer by the attributes that set them. */
const numbers = {
  "max-tokens": "maxTokens",
  temperature: "temperature",
  "top-k": "topK",
  "top-p": "topP",
  seed: "seed",
} as const satisfies Record<string, keyof AnswerOptions>;

/**
 * Attributes: `src`, the address of a .safetensors file of Lorito's; `lang`, "en" or "es", or else that of the page; `system`,
 * a system message; `max-tokens`, `temperature`, `top-k`, `top-p`, `seed`. Parts for styles: `log`, `turn`, `message`, `send`,
 * `stop`, `status`. Events: `lorito-ready` once the model is open, `lorito-answer` with the answer, `lorito-error` with a
 * {@link LoritoError}, each in `detail`.
 */
export class LoritoChat extends HTMLElement {
  readonly #messages: ChatMessage[] = [];
  #words!: ChatWords;
  #opened: Promise<Lorito> | undefined;
  #lorito: Lorito | undefined;
  #answering = false;
  #log!: HTMLElement;
  #message!: HTMLTextAreaElement;
  #send!: HTMLButtonElement;
  #stop!: HTMLButtonElement;
  #status!: HTMLElement;
  /** What a screen reader reads. */
  #spoken!: HTMLElement;

  static readonly observedAttributes = ["src"];

  /** Another model: a new conversation. */
  attributeChangedCallback(): void {
    this.#close();
    this.#messages.length = 0;
    this.#log?.replaceChildren();
  }

  connectedCallback(): void {
    if (this.shadowRoot) return; // it was moved
    const pageLanguage = this.closest("[lang]")?.getAttribute("lang") ?? undefined;
    this.#words = wordsIn([pageLanguage, ...navigator.languages]);
    const root = this.attachShadow({ mode: "open", delegatesFocus: true });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(looks);
    root.adoptedStyleSheets = [sheet];
    this.#build(root);
  }

  /** Ends the engine, unless the element is only moved to another place of the page. */
  async disconnectedCallback(): Promise<void> {
    await Promise.resolve();
    if (!this.isConnected) this.#close();
  }

  #build(root: ShadowRoot): void {
    const { log, message, send, stop } = this.#words;
    this.#log = made("div", { part: "log", role: "log", "aria-live": "off", "aria-label": log, tabindex: "0" });
    this.#message = made("textarea", { part: "message", id: "message", rows: "2" });
    const label = made("label", { for: "message" }, message);
    this.#send = made("button", { part: "send", type: "submit" }, send);
    this.#stop = made("button", { part: "stop", type: "button" }, stop);
    this.#status = made("p", { part: "status" });
    this.#spoken = made("p", { class: "spoken", role: "status" });
    const form = made("form", {});
    form.append(label, this.#message, this.#send, this.#stop);
    root.append(this.#log, form, this.#status, this.#spoken);
    this.#allow();

    this.#message.addEventListener("focus", () => void this.#model().catch(() => {}));
    this.#message.addEventListener("input", () => this.#allow());
    this.#message.addEventListener("keydown", (event) => {
      // Shift and Enter make a new line; an input method may need Enter, too.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.#stop.addEventListener("click", () => this.#lorito?.stopWriting());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#ask(this.#message.value.trim());
    });
  }

  /** Buttons that do nothing stay in reach of the keyboard. */
  #allow(): void {
    const disabled = (button: HTMLButtonElement, able: boolean) => button.setAttribute("aria-disabled", String(!able));
    disabled(this.#send, !this.#answering && this.#message.value.trim() !== "");
    disabled(this.#stop, this.#answering);
  }

  /** The open model. After a failure the next call tries again. */
  #model(): Promise<Lorito> {
    this.#opened ??= this.#open().catch((thrown) => {
      this.#close();
      const error = LoritoError.from(thrown);
      this.#say(filled(this.#words.notOpened, { code: error.code }));
      this.#tell("lorito-error", error);
      throw error;
    });
    return this.#opened;
  }

  async #open(): Promise<Lorito> {
    this.#say(this.#words.opening);
    const lorito = createLorito();
    this.#lorito = lorito;
    const model = await lorito.importFromUrl(this.getAttribute("src") ?? "");
    this.#say("");
    this.#tell("lorito-ready", model);
    return lorito;
  }

  async #ask(question: string): Promise<void> {
    if (!question || this.#answering) return;
    this.#answering = true;
    this.#allow();
    try {
      const lorito = await this.#model();
      this.#message.value = "";
      await this.#answer(lorito, question);
    } catch {
      // It has been said; the message is still there.
    } finally {
      this.#answering = false;
      this.#allow();
    }
  }

  async #answer(lorito: Lorito, question: string): Promise<void> {
    const { answering, empty, failed, forgotten, unknown } = this.#words;
    const asked: ChatMessage[] = [...this.#messages, { role: "user", content: question }];
    const system = this.getAttribute("system");
    const first: ChatMessage[] = system ? [{ role: "system", content: system }] : [];
    const turn = this.#turn("user", question);
    const answer = this.#turn("assistant", "");
    this.#say(answering);
    const onToken = (piece: string) => {
      answer.append(piece);
      this.#log.scrollTop = this.#log.scrollHeight;
    };
    try {
      const given = await lorito.chat([...first, ...asked], { ...this.#options(), onToken });
      this.#messages.splice(0, this.#messages.length, ...asked, { role: "assistant", content: given.text });
      const remarks = [
        given.text || empty,
        ...(given.dropped > 0 ? [forgotten] : []),
        ...(given.unknownCharacters ? [filled(unknown, { characters: given.unknownCharacters })] : []),
      ];
      // The log is silent, as it would be read piece by piece.
      this.#say(remarks.join(" "), remarks.slice(given.text ? 1 : 0).join(" "));
      this.#tell("lorito-answer", given);
    } catch (thrown) {
      turn.remove();
      answer.remove();
      this.#message.value ||= question;
      const error = LoritoError.from(thrown);
      this.#say(filled(failed, { code: error.code }));
      this.#tell("lorito-error", error);
    }
  }

  #options(): AnswerOptions {
    const given = Object.entries(numbers).flatMap(([attribute, option]) => {
      const value = this.getAttribute(attribute);
      return value === null ? [] : [[option, Number(value)]];
    });
    return Object.fromEntries(given);
  }

  #turn(role: "user" | "assistant", content: string): HTMLElement {
    const turn = made("p", { part: `turn ${role}` });
    turn.append(made("strong", {}, this.#words[role]), content);
    this.#log.append(turn);
    this.#log.scrollTop = this.#log.scrollHeight;
    return turn;
  }

  /** Shows a sentence, and has a screen reader read it, or rather `read`. */
  #say(read: string, shown = read): void {
    this.#spoken.textContent = read;
    this.#status.textContent = shown;
  }

  #tell(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
  }

  #close(): void {
    this.#lorito?.close();
    this.#lorito = undefined;
    this.#opened = undefined;
  }
}

/** An element with attributes and a text. */
function made<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Record<string, string>,
  text = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
  element.textContent = text;
  return element;
}

/** A sentence with its placeholders filled. */
function filled(sentence: string, values: Record<string, string>): string {
  return sentence.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

declare global {
  interface HTMLElementTagNameMap {
    "lorito-chat": LoritoChat;
  }
}

customElements.define("lorito-chat", LoritoChat);
