// A button that copies a bug report; if the browser denies access to the clipboard, the report is shown.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import type { Lorito } from "../../api/lorito";
import { t } from "../i18n";

@customElement("lorito-report")
export class ReportView extends LitElement {
  lorito!: Lorito;
  @state() private copied = false;
  /** The displayed report. */
  @state() private text: string | undefined;
  @query("dialog") private dialog!: HTMLDialogElement;
  @query("textarea") private field!: HTMLTextAreaElement;

  /** Renders into the page's own tree, as all views do. */
  override createRenderRoot(): HTMLElement {
    return this;
  }

  override render(): TemplateResult {
    return html`<button type="button" class="plain" aria-describedby="report-about" @click=${this.#copy}>${t("report.copy")}</button>
      <small id="report-about">${t("report.about")}</small>
      <p role="status">${this.copied ? t("report.copied") : nothing}</p>
      <dialog aria-labelledby="report-title">
        <h2 id="report-title">${t("report.title")}</h2>
        <p id="report-refused">${t("report.refused")}</p>
        <textarea readonly rows="14" aria-labelledby="report-title" aria-describedby="report-refused" .value=${this.text ?? ""}></textarea>
        <form method="dialog" class="controls"><button>${t("report.close")}</button></form>
      </dialog>`;
  }

  async #copy(): Promise<void> {
    this.copied = false;
    const report = this.lorito.report();
    try {
      await toClipboard(report);
      this.copied = true;
    } catch {
      this.text = await report;
      await this.updateComplete;
      this.dialog.showModal();
      this.field.select();
    }
  }
}

/** Passes a promise to the clipboard, since Safari requires the call within the click event. */
async function toClipboard(report: Promise<string>): Promise<void> {
  const text = report.then((words) => new Blob([words], { type: "text/plain" }));
  await navigator.clipboard.write([new ClipboardItem({ "text/plain": text })]);
}
