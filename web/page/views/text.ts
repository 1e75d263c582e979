// The first step: the training text.
import { html, nothing, svg, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import type { Source, TextSummary } from "../../api/lorito";
import { bytes, duration, percent, sentenceOf, t } from "../i18n";
import {
  ACCEPT,
  changeField,
  chooseField,
  fileOf,
  holdBack,
  removeSource,
  SAMPLES,
  type SampleName,
  sampleFile,
  takeFiles,
  takePaste,
  takeSample,
} from "../intake";
import { startTraining } from "../prepare";
import { encodingChoice } from "./encoding";
import { action, figures } from "./fields";
import { goalNote } from "./goals";
import "./hub-data";
import { waiting } from "./hub-fields";
import { turnsIn } from "./turns";
import { goTo, View } from "./view";
import { whatsappChat } from "./whatsapp";

@customElement("lorito-text")
export class TextView extends View {
  protected override readonly reads = [
    "text",
    "goal",
    "busy",
    "unclear",
    "tasks",
    "messages",
    "plan",
    "phase",
    "presets",
    "settings",
    "suggested",
    "plannedTime",
    "model",
    "modelOrigin",
    "trained",
  ] as const;
  @query("#files") private files!: HTMLInputElement;
  @query("#paste") private paste!: HTMLTextAreaElement;

  override render(): TemplateResult {
    const { text } = this.state;
    return this.step(
      "text",
      html`${goalNote(this.store)} ${this.#intake(text)} ${this.#reading()} ${this.#unclear()}
        ${text ? html`${this.#sources(text)} ${this.#summary(text)} ${this.#next()}` : nothing}`,
    );
  }

  #intake(text: TextSummary | undefined): TemplateResult {
    return html`<div class="intake ${text ? "compact" : ""}">
      <div class="drop">
        <p><strong>${t("text.drop")}</strong> <span class="formats">${t("text.formats")}</span></p>
        <input id="files" type="file" multiple hidden accept=${ACCEPT} @change=${this.#chosen}>
        <button type="button" class=${text ? "" : "primary"} @click=${() => this.files.click()}>${t("text.choose")}</button>
        <details class="fold">
          <summary>${t("text.paste")}</summary>
          <label for="paste">${t("text.pasteLabel")}</label>
          <textarea id="paste" rows="5"></textarea>
          <button type="button" @click=${this.#pasted}>${t("text.pasteAdd")}</button>
        </details>
        <lorito-hub-data .store=${this.store}></lorito-hub-data>
      </div>
      <div class="samples" role="group" aria-labelledby="samples-title">
        <h3 id="samples-title">${t("text.samples")}</h3>
        <ul>
          ${SAMPLES.map((name) => this.#sample(name, text))}
        </ul>
      </div>
    </div>`;
  }

  #sample(name: SampleName, text: TextSummary | undefined): TemplateResult {
    const used = text?.sources.some((source) => source.name === sampleFile(name)) ?? false;
    return html`<li>
      ${action({
        able: !used,
        act: () => void takeSample(this.store, name),
        kind: "sample",
        label: html`<svg viewBox="0 0 48 48" aria-hidden="true">${PICTURES[name]}</svg>
        <strong>${used ? t("sample.used", { name: t(`sample.${name}.name`) }) : t("sample.use", { name: t(`sample.${name}.name`) })}</strong>
        <span>${t(`sample.${name}.about`)}</span>`,
      })}
    </li>`;
  }

  #reading(): TemplateResult {
    const { tasks } = this.state;
    const fetching = tasks.find(({ task }) => task === "fetching");
    const reading = tasks.find(({ task }) => task === "reading");
    return html`${fetching ? waiting("fetching", t("hub.fetching", { name: fetching.name }), fetching) : nothing}
    ${reading ? waiting("reading", t("text.reading", { name: reading.name }), reading) : nothing}`;
  }

  #sources(text: TextSummary): TemplateResult {
    return html`<ul class="sources" aria-label=${t("text.sources")}>
      ${text.sources.map((source, index) => this.#source(source, index))}
    </ul>`;
  }

  #source(source: Source, index: number): TemplateResult {
    return html`<li>
      <span class="name">${source.name}</span>
      <span class="size">
        ${source.turns > 0 ? t("text.conversations", { count: source.documents, turns: source.turns }) : t("text.documents", { count: source.documents })} · ${t("text.characters", { count: source.characters })} ·
        ${bytes(source.bytes)}
      </span>
      ${(source.fields.length > 0 || source.conversational) && fileOf(index) ? this.#fieldChoice(source, index) : nothing}
      ${encodingChoice(this.store, source, fileOf(index), index)}
      <button type="button" class="plain" aria-label=${t("text.removeNamed", { name: source.name })}
        @click=${() => removeSource(this.store, source)}>
        ${t("text.remove")}
      </button>
      ${source.notices.map((notice) => html`<p class="remark">${sentenceOf(notice)}</p>`)}
      ${source.chat ? whatsappChat(this.store, source.chat, fileOf(index), index) : nothing}
    </li>`;
  }

  #fieldChoice(source: Source, index: number): TemplateResult {
    const id = `field-${index}`;
    return html`<span class="inline">
      <label for=${id}>${t("text.field")}</label>
      <select id=${id} @change=${(event: Event) => changeField(this.store, fileOf(index), (event.target as HTMLSelectElement).value)}>
        ${source.conversational ? html`<option value="" ?selected=${source.turns > 0}>${t("text.asConversations")}</option>` : nothing}
        ${source.fields.map((field) => html`<option ?selected=${field === source.field}>${field}</option>`)}
      </select>
      ${source.moreFields > 0 ? html`<small>${t("text.moreFields", { count: source.moreFields })}</small>` : nothing}
    </span>`;
  }

  /** Asks for the text field of a file where it could not be detected. */
  #unclear(): TemplateResult | typeof nothing {
    const { unclear } = this.state;
    if (!unclear) return nothing;
    return html`<form class="inline" @submit=${this.#fieldChosen}>
      <label for="unclear-field">${t("text.fieldOf", { name: unclear.name })}</label>
      <select id="unclear-field">
        ${unclear.fields.map((field) => html`<option>${field}</option>`)}
        ${unclear.conversational ? html`<option value="">${t("text.asConversations")}</option>` : nothing}
      </select>
      <button>${t("text.readField")}</button>
    </form>`;
  }

  #fieldChosen(event: SubmitEvent): void {
    event.preventDefault();
    const { unclear } = this.state;
    const chosen = (event.target as HTMLFormElement).querySelector("select")?.value;
    if (unclear && chosen !== undefined) void chooseField(this.store, unclear, chosen);
  }

  #summary(text: TextSummary): TemplateResult {
    const share = text.trainCharacters / Math.max(1, text.characters);
    return html`<div class="summary">
      <div>
        ${figures([
          [t("text.figure.documents"), text.documents],
          [t("text.figure.characters"), text.characters],
          [t("text.figure.distinct"), text.distinctCharacters],
        ])}
        <p>
          ${t("text.split", {
            train: percent(share),
            validation: percent(1 - share),
            trainCharacters: text.trainCharacters,
            validationCharacters: text.validationCharacters,
          })}
        </p>
        ${text.uneven || text.heldBack === "ends" ? this.#heldBack(text) : nothing}
      </div>
      <figure class="sheet">
        <figcaption>${t("text.preview")}</figcaption>
        ${this.#preview(text)}
      </figure>
    </div>`;
  }

  #preview({ preview, turns, onlyRead }: TextSummary): TemplateResult {
    const conversation = turnsIn(preview, turns, { onlyRead });
    return conversation
      ? html`<div class="preview" tabindex="0" role="group" aria-label=${t("text.preview")}>${conversation}</div>`
      : html`<pre tabindex="0" aria-label=${t("text.preview")}>${preview}</pre>`;
  }

  /** With two books of similar length, one held back whole would be half the text. */
  #heldBack(text: TextSummary): TemplateResult {
    const { documents } = text;
    return html`<div class="field switch">
      <input id="hold-back-ends" type="checkbox" aria-describedby="hold-back-ends-about"
        .checked=${live(text.heldBack === "ends")}
        @change=${(event: Event) => void holdBack(this.store, (event.target as HTMLInputElement).checked ? "ends" : "documents")}>
      <label for="hold-back-ends">${t("text.holdBackEnds")}</label>
      <small id="hold-back-ends-about">${text.uneven ? t("text.uneven", { count: documents }) : t("text.even", { count: documents })}</small>
    </div>`;
  }

  /** A shortcut to training, for users who first want to see results and then the settings. */
  #next(): TemplateResult {
    const { plan, phase } = this.state;
    if (this.store.canContinue || phase === "training" || phase === "paused") {
      return html`<p class="next"><button type="button" @click=${() => goTo("train")}>${t("text.watch")}</button></p>`;
    }
    return html`<p class="next">
      ${action({ label: t("text.train"), able: this.store.shape !== undefined && this.state.busy === undefined, act: () => this.#train(), kind: "primary" })}
      <span>${plan ? t("text.trainTime", { time: duration(plan.seconds) }) : t("text.trainPlain")}</span>
    </p>`;
  }

  #train(): void {
    void startTraining(this.store);
    goTo("train");
  }

  #chosen(): void {
    const chosen = [...(this.files.files ?? [])];
    this.files.value = "";
    void takeFiles(this.store, chosen).then(({ hadModel }) => hadModel && goTo("share"));
  }

  async #pasted(): Promise<void> {
    const { paste } = this;
    const before = this.state.text;
    await takePaste(this.store, paste.value);
    if (this.state.text !== before) paste.value = "";
  }
}

/** The samples' pictures (a fox's hill, a harbour, a pot) of circles and quarter circles, like the parrot. */
const PICTURES: Record<SampleName, TemplateResult> = {
  cuentos: svg`<circle class="sun" cx="33" cy="15" r="8"/><path class="leafy" d="M0 48a24 24 0 0 1 24-24v24z"/><path class="coral" d="M24 48a24 24 0 0 1 24-24v24z"/>`,
  harbour: svg`<path class="sun" d="M24 6v22H6A22 22 0 0 1 24 6z"/><path class="coral" d="M27 12v16h13A16 16 0 0 0 27 12z"/><path class="sky" d="M0 32h48a16 16 0 0 1-16 16H16A16 16 0 0 1 0 32z"/>`,
  recetas: svg`<circle class="sun" cx="16" cy="12" r="5"/><circle class="leafy" cx="29" cy="10" r="7"/><path class="coral" d="M4 22h40a20 20 0 0 1-12 24H16A20 20 0 0 1 4 22z"/>`,
};
