// Continues one prompt with two saved models in turn; the open model does not change.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { type Problem, problemOf } from "../../shared/errors";
import { sentenceOf, t } from "../i18n";
import { action, unknownCharacters } from "./fields";
import { View } from "./view";

interface Written {
  name: string;
  text: string;
  /** Characters of the prompt for which the model has no token. */
  unknown: string;
  problem?: Problem;
}

@customElement("lorito-side-by-side")
export class SideBySide extends View {
  protected override readonly reads = ["models", "phase", "busy"] as const;
  /** The chosen names; undefined: the two newest models. */
  @state() private names: [string | undefined, string | undefined] = [undefined, undefined];
  @state() private written: readonly Written[] = [];
  @state() private writing = false;
  #prompt = "";

  /** Scripts may have saved models meanwhile. */
  override connectedCallback(): void {
    super.connectedCallback();
    void this.store.attempt("share", undefined, () => this.store.readModels());
  }

  override render(): TemplateResult {
    const { models, phase, busy } = this.state;
    const able = phase === "idle" && busy === undefined && !this.writing;
    return html`<h3>${t("compare.models")}</h3>
      ${
        models.length === 0
          ? html`<p class="hint">${t("compare.noModels")}</p>`
          : html`<form @submit=${(event: Event) => this.#write(event, able)}>
            <p class="hint">${t("compare.modelsAbout")}</p>
            <div class="choice-row">${this.#select(0)} ${this.#select(1)}</div>
            <div class="field wide">
              <label for="compare-prompt">${t("compare.prompt")}</label>
              <textarea id="compare-prompt" rows="2" .value=${this.#prompt} @input=${(event: Event) => {
                this.#prompt = (event.target as HTMLTextAreaElement).value;
              }}></textarea>
            </div>
            <p class="controls">
              ${action({ label: t("compare.write"), able, act: () => {}, kind: "primary", submit: true })}
              ${this.writing ? action({ label: t("compare.stop"), able: true, act: () => this.#stop() }) : nothing}
              <span class="hint" role="status">${this.#status()}</span>
            </p>
          </form>`
      }
      <div class="side-by-side" role="region" aria-label=${t("compare.models")}>${this.written.map((one) => this.#sheet(one))}</div>`;
  }

  #status(): string {
    if (this.writing) return t("compare.writing");
    return this.written.length > 0 ? t("compare.written") : "";
  }

  #chosen(index: 0 | 1): string {
    const { models } = this.state;
    const name = this.names[index];
    return (models.find((model) => model.name === name) ?? models[index] ?? models[0])?.name ?? "";
  }

  #select(index: 0 | 1): TemplateResult {
    const id = `compare-model-${index}`;
    const chosen = this.#chosen(index);
    return html`<div class="field">
      <label for=${id}>${t("compare.model", { count: index + 1 })}</label>
      <select id=${id} @change=${(event: Event) => {
        const { value } = event.target as HTMLSelectElement;
        this.names = index === 0 ? [value, this.names[1]] : [this.names[0], value];
      }}>
        ${this.state.models.map(({ name }) => html`<option value=${name} ?selected=${name === chosen}>${name}</option>`)}
      </select>
    </div>`;
  }

  #sheet({ name, text, unknown, problem }: Written): TemplateResult {
    return html`<figure class="sheet">
      <figcaption>${name}</figcaption>
      ${problem ? html`<div class="message error" role="alert"><p>${sentenceOf(problem)}</p></div>` : html`<blockquote>${text}</blockquote>`}
      ${unknownCharacters(unknown)}
    </figure>`;
  }

  async #write(event: Event, able: boolean): Promise<void> {
    event.preventDefault();
    if (!able) return;
    this.writing = true;
    const prompt = this.#prompt;
    const names = [this.#chosen(0), this.#chosen(1)];
    this.written = names.map((name) => ({ name, text: prompt, unknown: "" }));
    for (const [index, name] of names.entries()) {
      if (!this.writing) break;
      await this.#writeOne(index, name, prompt);
    }
    this.writing = false;
  }

  async #writeOne(index: number, name: string, prompt: string): Promise<void> {
    const change = (part: (one: Written) => Partial<Written>) => {
      this.written = this.written.map((one, at) => (at === index ? { ...one, ...part(one) } : one));
    };
    try {
      await this.store.lorito.writeWith(name, prompt, {
        onToken: (piece) => change(({ text }) => ({ text: text + piece })),
        onUnknown: (unknown) => change(() => ({ unknown })),
      });
    } catch (thrown) {
      change(() => ({ problem: problemOf(thrown) }));
    }
  }

  #stop(): void {
    this.writing = false;
    this.store.lorito.stopWriting();
  }
}
