// Exports the model: first as the file that this page opens, then in other formats by purpose.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { endings } from "../../shared/endings";
import type { ExportKind } from "../../shared/protocol";
import { currentLanguage, t, type Words, wordsOf } from "../i18n";
import { DEFAULT_NAME, fileName, share } from "../save-file";
import { download, sharable } from "./downloads";
import { action } from "./fields";
import "./hub-send";
import "./link";
import { changeModels } from "./saved-models";
import { View } from "./view";

/** Bytes of a number in blocks of 32 with a scale of 16 bits. */
const BITS_8 = 34 / 32;

@customElement("lorito-export")
export class ExportView extends View {
  protected override readonly reads = ["model", "busy", "tasks"] as const;
  @state() private name = "";
  @state() private done: Words | undefined;
  /** A file that took too long for its click to open the share sheet; a second click opens it. */
  @state() private packed: { file: Blob; name: string } | undefined;

  override render(): TemplateResult {
    const packing = this.state.tasks.some(({ task }) => task === "packing");
    return html`<h3>${t("share.out")}</h3>
      ${this.#first()}
      <div class="purposes">${this.#toWrite()} ${this.#toTrain()} ${this.#toRun()}</div>
      <p class="done" role="status">${packing ? t("share.packing") : this.done?.()}</p>
      ${this.#packed()}
      <lorito-hub-send .store=${this.store}></lorito-hub-send>`;
  }

  get #able(): boolean {
    return this.state.model !== undefined && this.state.busy === undefined;
  }

  get #fileName(): string {
    return fileName(this.name);
  }

  /** The primary exports: a file to keep, or a copy on this device. */
  #first(): TemplateResult {
    return html`<div class="first">
      <div class="field">
        <label for="model-name">${t("share.name")}</label>
        <input id="model-name" type="text" maxlength="60" autocomplete="off" placeholder=${DEFAULT_NAME} .value=${this.name}
          @input=${(event: Event) => {
            this.name = (event.target as HTMLInputElement).value;
          }}>
      </div>
      <div>
        ${this.#file("safetensors", t("share.safetensors"), "primary")}
        <small>${t("share.safetensors.about", { file: this.#fileName + endings.safetensors })}</small>
      </div>
      <div>
        ${action({ label: t("share.save"), able: this.#able, act: () => void this.#save() })}
        <small>${t("share.save.about")}</small>
      </div>
      ${this.state.model ? nothing : html`<p class="hint">${t("need.model")}</p>`}
    </div>`;
  }

  #toWrite(): TemplateResult {
    const parameters = this.state.model?.parameters;
    const sizes = parameters && { large: 4 * parameters, small: BITS_8 * parameters };
    const file = (kind: ExportKind) => this.#fileName + endings[kind];
    return this.#purpose(
      t("share.toWrite"),
      this.#way("html", t("share.onePage"), t("share.onePage.about", { file: file("html") })),
      this.#way(
        "html-q8",
        t("share.onePageSmall"),
        html`${t("share.onePageSmall.about", { file: file("html-q8") })}
          ${sizes ? t("share.onePageSmall.sizes", sizes) : nothing}`,
      ),
    );
  }

  #toTrain(): TemplateResult {
    const file = (kind: ExportKind) => this.#fileName + endings[kind];
    return this.#purpose(
      t("share.toTrain"),
      this.#way("huggingface", t("share.huggingface"), t("share.huggingface.about", { file: file("huggingface") })),
      this.state.model?.adapter
        ? this.#way("adapter", t("share.adapter"), t("share.adapter.about", { file: file("adapter") }))
        : nothing,
      html`<li><lorito-link .store=${this.store}></lorito-link></li>`,
    );
  }

  #toRun(): TemplateResult {
    const context = this.state.model?.config.context;
    return this.#purpose(
      t("share.toRun"),
      this.#gguf("f16", t("share.gguf"), (file) => [
        t("share.gguf.about", { file }),
        context ? ` ${t("share.gguf.context", { context })}` : "",
      ]),
      this.#gguf("q8", t("share.ggufSmall"), (file) => t("share.ggufSmall.about", { file })),
    );
  }

  /** A GGUF file, and the Modelfile with which Ollama opens it. */
  #gguf(precision: "f16" | "q8", label: string, about: (file: string) => unknown): TemplateResult {
    const name = this.#fileName;
    const modelfile = name + endings[`modelfile-${precision}`];
    // Ollama allows only these characters in a name.
    const model = /^[\w.-]+$/.test(name) ? name : DEFAULT_NAME;
    const command = html`<code>ollama create ${model} -f "${modelfile}"</code>`;
    return html`<li>
      ${this.#file(`gguf-${precision}`, label, "plain")}
      <small>${about(name + endings[`gguf-${precision}`])}</small>
      ${this.#file(
        `modelfile-${precision}`,
        html`${t("share.modelfile")}<span class="visually-hidden">: ${modelfile}</span>`,
        "plain",
      )}
      <small>${t("share.modelfile.about", { modelfile })} ${command}</small>
    </li>`;
  }

  #purpose(title: string, ...ways: unknown[]): TemplateResult {
    return html`<section class="purpose">
      <h4>${title}</h4>
      <ul class="ways">
        ${ways}
      </ul>
    </section>`;
  }

  #way(kind: ExportKind, label: string, about: unknown): TemplateResult {
    return html`<li>
      ${this.#file(kind, label, "plain")}
      <small>${about}</small>
    </li>`;
  }

  /** The download button of a file, with a share button if the system's share sheet accepts such files. */
  #file(kind: ExportKind, label: unknown, look: "primary" | "plain"): TemplateResult {
    const able = this.#able;
    const name = this.#fileName + endings[kind];
    const sheet = html`${t("share.sheet")}<span class="visually-hidden">: ${name}</span>`;
    return html`<span class="row" data-kind=${kind}>
      ${action({ label, able, act: () => void download(this.store, kind, this.#fileName), kind: look })}
      ${sharable[kind] ? action({ label: sheet, able, act: () => void this.#share(kind, name), ...(look === "plain" ? { kind: look } : {}) }) : nothing}
    </span>`;
  }

  async #share(kind: ExportKind, name: string): Promise<void> {
    this.store.clearErrors("share");
    await this.store.attempt("share", { task: "packing" }, async () => {
      const file = await this.store.lorito.exportModel(kind, this.#fileName, { language: currentLanguage() });
      if ((await share(file, name)) === "again") this.packed = { file, name };
    });
  }

  #packed(): TemplateResult | typeof nothing {
    const { packed } = this;
    if (!packed) return nothing;
    const give = async () => {
      this.packed = undefined;
      await this.store.attempt("share", undefined, async () => {
        if ((await share(packed.file, packed.name)) === "again") throw { code: "share-failed", name: packed.name };
      });
    };
    return html`<div class="message notice" role="status">
      <p>${t("share.sheetAgain", packed)}</p>
      ${action({ label: t("share.sheetNow"), able: true, act: () => void give() })}
    </div>`;
  }

  async #save(): Promise<void> {
    const wanted = this.name.trim() || DEFAULT_NAME;
    this.done = undefined;
    this.done = await changeModels(this.store, async () => {
      return wordsOf("share.saved", { name: await this.store.lorito.saveModel(wanted) });
    });
  }
}
