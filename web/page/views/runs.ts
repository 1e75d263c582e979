// Lists the runs on this device: each can be continued, downloaded or deleted. Opening one does not affect the others.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import type { RunSummary } from "../../api/lorito";
import { bytes, date, t, type Words, wordsOf } from "../i18n";
import { goOn } from "../prepare";
import { downloadRun } from "./downloads";
import { goTo, View } from "./view";

@customElement("lorito-runs")
export class RunsView extends View {
  protected override readonly reads = ["runs", "phase", "busy", "model"] as const;
  @state() private done: Words | undefined;

  override render(): TemplateResult {
    const { runs } = this.state;
    return html`${
      runs.length > 0
        ? html`<h3>${t("runs.title")}</h3>
          <p class="hint">${t("runs.about")}</p>
          <ul class="sources">
            ${runs.map((run) => this.#run(run))}
          </ul>`
        : nothing
    }
      <p class="done" role="status">${this.done?.()}</p>`;
  }

  #run(run: RunSummary): TemplateResult {
    const { lorito, state } = this.store;
    const name = run.textName || "–";
    const saved = date(run.savedAt);
    const isOpen = run.run === lorito.openRunId && state.model !== undefined;
    const idle = state.phase === "idle" || state.phase === "writing";
    // Runs on the same text have the same name, so labels include the date.
    const button = (label: string, act: () => unknown) =>
      html`<button type="button" class="plain" aria-label="${label}: ${name}, ${saved}" @click=${act}>${label}</button>`;
    return html`<li>
      <span class="name">${name}</span>
      <span class="size">
        ${t("runs.step", { step: run.step, end: run.endStep })} · ${bytes(run.bytes)} ·
        ${saved}${isOpen ? ` · ${t("runs.open")}` : nothing}
      </span>
      ${
        idle && !(isOpen && run.step >= run.endStep)
          ? button(t(run.step < run.endStep ? "runs.continue" : "runs.bring"), () => this.#goOn(run))
          : nothing
      }
      ${button(t("runs.download"), () => void downloadRun(this.store, run))}
      ${idle || !isOpen ? button(t("runs.discard"), () => this.#discard(run)) : nothing}
    </li>`;
  }

  #goOn(run: RunSummary): void {
    void goOn(this.store, run);
    goTo("train");
  }

  #discard({ run }: RunSummary): void {
    if (!confirm(t("lastRun.confirm"))) return;
    this.done = undefined;
    void this.store.attempt("share", undefined, async () => {
      await this.store.lorito.discardRun(run);
      if (this.state.lastRun?.run === run) this.store.change({ lastRun: undefined });
      await this.store.readRuns();
      this.done = wordsOf("runs.discarded");
    });
  }
}
