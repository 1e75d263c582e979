// The chat with the model, in the fifth step: a list of turns, of which the user can edit their own.
import { html, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import { part } from "../../shared/part";
import { Conversation, messagesOf, type Turn } from "../conversation";
import { t, type Words, wordsOf } from "../i18n";
import type { Copies } from "./copied";
import { action, namesOf } from "./fields";
import type { Sampling } from "./sampling";
import { View } from "./view";

@customElement("lorito-chat")
export class ChatView extends View {
  protected override readonly reads = ["model"] as const;
  @property({ attribute: false }) sampling!: Sampling;
  readonly #conversation = new Conversation();
  @state() private system = "";
  @state() private draft = "";
  /** The index of the turn that is being edited, and its present text. */
  @state() private editing: { place: number; words: string } | undefined;
  /** During an answer: the turns before it, and its text so far. */
  @state() private asked: readonly Turn[] | undefined;
  @state() private answer = "";
  @state() private announcement: Words | undefined;
  /** Whether answers are to be from the person's documents. */
  @state() private fromDocuments = false;
  /** What shows documents and passages, once it has been loaded. */
  @state() private documents: typeof import("./documents") | undefined;
  /** Why the model was not asked. */
  @state() private notAsked: Words | undefined;
  /** The copied parts of its answers. */
  readonly #copies = new WeakMap<Turn, Copies>();
  /** How often the last answer has been regenerated: each attempt draws with its own seed. */
  #again = 0;
  #stopped = false;
  /** Number of answers that have been searched. */
  #answers = 0;

  get #able(): boolean {
    return this.state.model !== undefined && this.asked === undefined;
  }

  get #turns(): readonly Turn[] {
    return this.asked ?? this.#conversation.turns;
  }

  override render(): TemplateResult {
    const { model } = this.state;
    return html`${model && !model.chat ? html`<p class="remark">${t("chat.asLines")}</p>` : nothing}
      <div class="sheet conversation" role="log" aria-live="off" aria-label=${t("chat.log")} tabindex="0">
        ${this.#turns.length === 0 ? html`<p class="hint">${t("chat.nothing")}</p>` : nothing}
        <ol>
          ${this.#turns.map((turn, place) => this.#turn(turn, place))}
          ${
            this.asked
              ? html`<li class="turn assistant">
                  <p class="who"><strong>${t("chat.assistant")}</strong></p>
                  <p class="words">${this.answer}<span class="caret" aria-hidden="true"></span></p>
                </li>`
              : nothing
          }
        </ol>
      </div>
      ${this.#leftOut().map((sentence) => html`<p class="remark">${sentence}</p>`)}
      ${this.notAsked ? html`<p class="remark">${this.notAsked()}</p>` : nothing}
      ${this.#composer()} ${this.#documentSwitch()}
      <details class="more">
        <summary>
          <span class="state">${this.system.trim() ? t("chat.systemIs", { system: this.system.trim() }) : t("chat.systemNone")}</span>
          <span class="open">${t("details.change")}</span>
        </summary>
        <div class="field">
          <label for="chat-system">${t("chat.system")}</label>
          <textarea id="chat-system" rows="2" .value=${this.system} aria-describedby="chat-system-hint"
            @input=${(event: Event) => {
              this.system = (event.target as HTMLTextAreaElement).value;
            }}></textarea>
          <small id="chat-system-hint">${t("chat.systemHint")}</small>
        </div>
      </details>
      <p class="visually-hidden" role="status">${this.announcement?.()}</p>`;
  }

  #turn(turn: Turn, place: number): TemplateResult {
    const { role, content } = turn;
    const copies = this.#copies.get(turn);
    if (this.editing?.place === place && !this.asked) return this.#editor(this.editing.words);
    const words = content
      ? html`<p class="words">${copies?.marked(content) ?? content}</p>`
      : html`<p class="hint">${t("chat.empty")}</p>`;
    return html`<li class="turn ${role}">
      <p class="who">
        <strong>${t(role === "user" ? "chat.user" : "chat.assistant")}</strong>
        ${
          role === "user"
            ? html`<button type="button" class="plain" data-place=${place} aria-disabled=${this.asked ? "true" : nothing}
                aria-label=${t("chat.editNamed", { text: content })} @click=${() => this.#edit(place, content)}>${t("chat.edit")}</button>`
            : nothing
        }
      </p>
      ${words} ${turn.leftOut?.documents ? this.documents?.passagesBelow(turn.leftOut.documents) : nothing} ${copies?.below()}
    </li>`;
  }

  #editor(words: string): TemplateResult {
    return html`<li class="turn user">
      <form class="field" @submit=${this.#askEdited}>
        <label for="chat-edit">${t("chat.editing")}</label>
        <textarea id="chat-edit" rows="2" .value=${live(words)} aria-describedby="chat-edit-hint"
          @keydown=${this.#enter}
          @input=${(event: Event) => {
            if (this.editing) this.editing = { ...this.editing, words: (event.target as HTMLTextAreaElement).value };
          }}></textarea>
        <small id="chat-edit-hint">${t("chat.editHint")}</small>
        <p class="controls">
          ${action({ label: t("chat.askAgain"), able: this.#able && words.trim() !== "", act: () => {}, submit: true })}
          ${action({ label: t("chat.keep"), able: true, act: () => this.#keep() })}
        </p>
      </form>
    </li>`;
  }

  #composer(): TemplateResult {
    const { turns, canUndo, canRedo } = this.#conversation;
    const idle = this.asked === undefined;
    return html`<form @submit=${this.#send}>
      <div class="field">
        <label for="chat-message">${t("chat.message")}</label>
        <textarea id="chat-message" rows="2" .value=${live(this.draft)} aria-describedby="chat-message-hint"
          @keydown=${this.#enter}
          @input=${(event: Event) => {
            this.draft = (event.target as HTMLTextAreaElement).value;
          }}></textarea>
        <small id="chat-message-hint">${t("chat.messageHint")}</small>
      </div>
      <p class="controls">
        ${action({ label: t("chat.send"), able: this.#able && this.draft.trim() !== "", act: () => {}, kind: "primary", submit: true })}
        ${action({ label: t("chat.stop"), able: !idle, act: () => this.#stop() })}
        ${action({ label: t("chat.regenerate"), able: this.#able && turns.length > 0, act: () => void this.#regenerate() })}
        ${action({ label: t("chat.undo"), able: idle && canUndo, act: () => this.#undo() })}
        ${action({ label: t("chat.redo"), able: idle && canRedo, act: () => this.#redo() })}
        ${action({ label: t("chat.clear"), able: idle && turns.length > 0, act: () => this.#clear() })}
        ${this.state.model ? nothing : html`<span class="hint">${t("need.model")}</span>`}
      </p>
    </form>`;
  }

  /** A one-page model has no documents. */
  #documentSwitch(): TemplateResult | typeof nothing {
    if (!this.store.lorito.documents) return nothing;
    return html`<div class="field switch">
        <input id="chat-documents" type="checkbox" aria-describedby="chat-documents-hint" .checked=${live(this.fromDocuments)}
          @change=${(event: Event) => void this.#switchDocuments((event.target as HTMLInputElement).checked)}>
        <label for="chat-documents">${t("documents.answer")}</label>
        <small id="chat-documents-hint">${t("documents.answerHint")}</small>
      </div>
      ${this.fromDocuments && this.documents ? html`<lorito-documents .store=${this.store}></lorito-documents>` : nothing}`;
  }

  async #switchDocuments(on: boolean): Promise<void> {
    this.fromDocuments = on;
    this.notAsked = undefined;
    if (!on || this.documents) return;
    this.documents = await this.store.attempt("write", undefined, () => part(import("./documents")));
    // Without it nothing would say what an answer is from.
    if (!this.documents) this.fromDocuments = false;
  }

  /** Remarks on what the model did not see for its last answer. */
  #leftOut(): string[] {
    const { leftOut } = this.#turns.at(-1) ?? {};
    if (!leftOut) return [];
    const sentences: string[] = [];
    if (leftOut.dropped > 0) sentences.push(t("chat.dropped", { count: leftOut.dropped }));
    if (leftOut.systemDropped) sentences.push(t("chat.systemDropped"));
    if (leftOut.questionCut) sentences.push(t("chat.questionCut"));
    if (leftOut.unknownCharacters) sentences.push(namesOf(leftOut.unknownCharacters));
    return sentences;
  }

  /** Enter sends the message, unless an input method is composing text. */
  #enter(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    (event.target as HTMLTextAreaElement).form?.requestSubmit();
  }

  async #send(event: Event): Promise<void> {
    event.preventDefault();
    const words = this.draft.trim();
    if (!this.#able || !words) return;
    this.#again = 0;
    this.editing = undefined;
    this.draft = "";
    // If there is no answer, the message returns to the input field, before anything typed since.
    if (!(await this.#ask(this.#conversation.asking(words))))
      this.draft = [words, this.draft].filter(Boolean).join("\n");
  }

  async #askEdited(event: Event): Promise<void> {
    event.preventDefault();
    const { editing } = this;
    if (!this.#able || !editing?.words.trim()) return;
    this.#again = 0;
    this.querySelector<HTMLElement>("#chat-message")?.focus();
    if (await this.#ask(this.#conversation.asking(editing.words.trim(), editing.place))) this.editing = undefined;
  }

  async #regenerate(): Promise<void> {
    const { lastAsked } = this.#conversation;
    if (!lastAsked) return;
    this.editing = undefined;
    this.#again += 1;
    await this.#ask(lastAsked);
  }

  /** Returns whether there is an answer. If not, the conversation does not change. */
  async #ask(asked: readonly Turn[]): Promise<boolean> {
    this.store.clearErrors("write");
    this.#stopped = false;
    this.notAsked = undefined;
    this.answer = "";
    this.asked = asked;
    this.announcement = wordsOf("chat.started");
    const onToken = (piece: string) => {
      this.answer += piece;
    };
    const given = await this.store.attempt("write", undefined, () =>
      this.sampling.use((options) =>
        this.store.lorito.chat(messagesOf(this.system, asked), {
          ...options,
          seed: options.seed + this.#again,
          documents: this.fromDocuments,
          onToken,
        }),
      ),
    );
    this.asked = undefined;
    this.announcement = undefined;
    if (!given || (this.#stopped && !given.text)) return false;
    const { text, ...leftOut } = given;
    const { documents } = leftOut;
    this.notAsked = documents && this.documents?.whyNotAsked(documents, this.state.model?.config.context ?? 0);
    if (this.notAsked) {
      this.announcement = this.notAsked;
      return false;
    }
    const answer: Turn = { role: "assistant", content: text, leftOut };
    this.#conversation.become([...asked, answer]);
    if (text) void this.store.attempt("write", undefined, () => this.#lookForCopies(answer));
    const ended = text ? wordsOf("chat.ended", { text }) : wordsOf("chat.empty");
    const sources = documents && this.documents?.passagesInWords(documents);
    this.announcement = () =>
      [ended(), ...(sources ? [t("documents.sources"), sources] : []), ...this.#leftOut()].join(" ");
    return true;
  }

  async #lookForCopies(answer: Turn): Promise<void> {
    // A one-page model has no training text.
    if (!this.store.lorito.copied) return;
    const { Copies } = await part(import("./copied"));
    this.#answers += 1;
    const copies = await Copies.of(this, this.store.lorito, `answer-${this.#answers}`, answer.content);
    this.#copies.set(answer, copies);
    this.requestUpdate();
  }

  #stop(): void {
    this.#stopped = true;
    this.store.lorito.stopWriting();
  }

  #edit(place: number, words: string): void {
    if (this.asked) return;
    this.editing = { place, words };
    void this.updateComplete.then(() => this.querySelector<HTMLElement>("#chat-edit")?.focus());
  }

  #keep(): void {
    const place = this.editing?.place;
    this.editing = undefined;
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(`[data-place="${place}"]`)?.focus());
  }

  #clear(): void {
    this.editing = undefined;
    this.#conversation.become([]);
    this.announcement = wordsOf("chat.cleared");
  }

  #undo(): void {
    this.editing = undefined;
    this.#conversation.undo();
    this.announcement = wordsOf("chat.undone");
    this.requestUpdate();
  }

  #redo(): void {
    this.editing = undefined;
    this.#conversation.redo();
    this.announcement = wordsOf("chat.redone");
    this.requestUpdate();
  }

  /** Scrolls to the newest text. */
  override updated(changed: PropertyValues): void {
    const log = this.querySelector(".conversation");
    if (log && this.asked) log.scrollTop = log.scrollHeight;
    super.updated(changed);
  }
}
