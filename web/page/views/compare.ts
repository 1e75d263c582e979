// Compares runs: a list to choose from, their curves in one chart, differing settings and results.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import type { RunRecord } from "../../api/lorito";
import { type Problem, problemOf } from "../../shared/errors";
import { AXES, type Axis, LOSSES, type Loss, placesOf } from "../compare/axis";
import { letterOf, MOST_CURVES } from "../compare/chart";
import { lossOf, type Row, rowsOf, settingsOf } from "../compare/differences";
import { date, duration, number, sentenceOf, t, type Words, wordsOf } from "../i18n";
import "./side-by-side";
import { goTo, View } from "./view";

@customElement("lorito-compare")
export class CompareView extends View {
  protected override readonly reads = ["presets"] as const;
  /** Newest first; undefined while they are being read. */
  @state() private records: readonly RunRecord[] | undefined;
  /** Their ids, in the order of choice. */
  @state() private chosen: readonly string[] = [];
  @state() private loss: Loss = "validation";
  @state() private axis: Axis = "step";
  /** Rows are rendered only while the table is open. */
  @state() private tableOpen = false;
  @state() private renaming: string | undefined;
  @state() private done: Words | undefined;
  @state() private problem: Problem | undefined;
  #stop = () => {};

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stop = this.store.lorito.on("records", () => void this.#read());
    void this.#read();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stop();
  }

  /** Reads the records. The two newest are compared until the user chooses. */
  async #read(): Promise<void> {
    const first = this.records === undefined || this.records.length < 2;
    await this.#attempt(async () => {
      const records = await this.store.lorito.runRecords();
      this.records = records;
      const there = (id: string) => records.some((record) => record.id === id);
      this.chosen = first ? records.slice(0, 2).map(({ id }) => id) : this.chosen.filter(there);
    });
  }

  async #attempt(act: () => Promise<void>): Promise<void> {
    this.problem = undefined;
    await act().catch((thrown) => {
      this.problem = problemOf(thrown);
    });
  }

  get #shown(): RunRecord[] {
    return this.chosen.flatMap((id) => this.records?.find((record) => record.id === id) ?? []);
  }

  override render(): TemplateResult {
    const { records } = this;
    return html`${
      records && records.length === 0
        ? html`<p class="hint">${t("compare.none")}</p>`
        : html`<p class="hint">${t("compare.about")}</p>
          <ul class="sources">
            ${records?.map((record) => this.#record(record))}
          </ul>`
    }
      ${this.problem ? html`<div class="message error" role="alert"><p>${sentenceOf(this.problem)}</p></div>` : nothing}
      <p class="done" role="status">${this.done?.()}</p>
      ${this.#shown.length > 0 ? this.#comparison(this.#shown) : nothing}
      <lorito-side-by-side .store=${this.store}></lorito-side-by-side>`;
  }

  #record(record: RunRecord): TemplateResult {
    const { id } = record;
    const place = this.chosen.indexOf(id);
    // Runs on the same text have the same name.
    const label = `${labelOf(record)}, ${date(record.savedAt)}`;
    const full = place < 0 && this.chosen.length >= MOST_CURVES;
    const button = (words: string, act: () => unknown) =>
      html`<button type="button" class="plain" aria-label="${words}: ${label}" @click=${act}>${words}</button>`;
    if (this.renaming === id) return this.#rename(record);
    return html`<li>
      <label class="chosen">
        <input type="checkbox" .checked=${place >= 0} ?disabled=${full} @change=${() => this.#choose(id)}>
        ${place >= 0 ? letter(place) : nothing}
        <span><span class="name">${labelOf(record)}</span> <small>${t(
          record.diverged ? "compare.diverged" : "compare.summary",
          {
            count: record.step,
            loss: lossOf(record.evaluations.at(-1)?.validationLoss),
            at: date(record.savedAt),
          },
        )}</small></span>
      </label>
      ${button(t("compare.use"), () => this.#use(record))}
      ${button(t("compare.rename"), () => this.#askName(id))}
      ${button(t("compare.delete"), () => this.#delete(record))}
    </li>`;
  }

  #rename(record: RunRecord): TemplateResult {
    return html`<li>
      <form class="row" @submit=${(event: SubmitEvent) => this.#renamed(event, record)}>
        <label class="visually-hidden" for="record-name">${t("compare.newName", { name: labelOf(record) })}</label>
        <input id="record-name" type="text" maxlength="60" autocomplete="off" .value=${record.name}>
        <button type="submit">${t("compare.rename")}</button>
        <button type="button" class="plain" @click=${() => this.#askName(undefined)}>${t("compare.keepName")}</button>
      </form>
    </li>`;
  }

  #choose(id: string): void {
    this.chosen = this.chosen.includes(id) ? this.chosen.filter((other) => other !== id) : [...this.chosen, id];
  }

  async #askName(id: string | undefined): Promise<void> {
    this.renaming = id;
    await this.updateComplete;
    this.querySelector<HTMLInputElement>("#record-name")?.select();
  }

  async #renamed(event: SubmitEvent, { id }: RunRecord): Promise<void> {
    event.preventDefault();
    const name = this.querySelector<HTMLInputElement>("#record-name")?.value ?? "";
    await this.#attempt(() => this.store.lorito.renameRecord(id, name));
    this.renaming = undefined;
    this.done = wordsOf("compare.renamed");
  }

  #delete(record: RunRecord): void {
    const name = labelOf(record);
    if (!confirm(t("compare.confirmDelete", { name }))) return;
    void this.#attempt(async () => {
      await this.store.lorito.deleteRecord(record.id);
      this.done = wordsOf("compare.deleted", { name });
    });
  }

  /** Copies a run's settings into the page, where the user can change them. */
  #use(record: RunRecord): void {
    this.store.setSettings(settingsOf(record, this.state.presets));
    this.done = wordsOf("compare.used", { name: labelOf(record) });
    goTo("model");
  }

  #comparison(shown: readonly RunRecord[]): TemplateResult {
    const { differing, results } = rowsOf(shown);
    return html`<div class="choice-row">
        ${select(
          "compare-loss",
          t("compare.loss"),
          LOSSES,
          this.loss,
          (loss) => t(`compare.loss.${loss}`),
          (loss) => {
            this.loss = loss;
          },
        )}
        ${select(
          "compare-axis",
          t("compare.axis"),
          AXES,
          this.axis,
          (axis) => t(`compare.axis.${axis}`),
          (axis) => {
            this.axis = axis;
          },
        )}
      </div>
      <lorito-compare-chart .records=${shown} .loss=${this.loss} .axis=${this.axis}></lorito-compare-chart>
      ${this.#curves(shown)}
      <h3>${t("compare.results")}</h3>
      ${table(t("compare.results"), shown, results)}
      <h3>${t("compare.differences")}</h3>
      ${
        shown.length < 2
          ? html`<p class="hint">${t("compare.chooseTwo")}</p>`
          : differing.length === 0
            ? html`<p class="hint">${t("compare.same")}</p>`
            : table(t("compare.differences"), shown, differing)
      }
      <h3>${t("compare.samples")}</h3>
      <div class="side-by-side">
        ${shown.map(
          (record, index) => html`<figure class="sheet">
            <figcaption>${letter(index)} ${labelOf(record)}</figcaption>
            <blockquote>${record.samples.at(-1)?.text.trimStart() || t("compare.noSample")}</blockquote>
          </figure>`,
        )}
      </div>`;
  }

  /** The values of the chart as a table, for screen readers. */
  #curves(shown: readonly RunRecord[]): TemplateResult {
    const heads = ["step", "elapsed", "trainLoss", "validationLoss"] as const;
    return html`<details class="table" @toggle=${(event: Event) => {
      this.tableOpen = (event.target as HTMLDetailsElement).open;
    }}>
      <summary>${t("compare.table")}</summary>
      <div class="scroll" tabindex="0" role="region" aria-label=${t("compare.table")}>
        <table>
          <thead>
            <tr>
              <th scope="col">${t("compare.run")}</th>
              ${heads.map((name) => html`<th scope="col">${t(`figure.${name}`)}</th>`)}
              <th scope="col">${t("compare.tokens")}</th>
            </tr>
          </thead>
          <tbody>
            ${this.tableOpen ? shown.map(evaluationRows) : nothing}
          </tbody>
        </table>
      </div>
    </details>`;
  }
}

/** The label of a run: its own name, or that of its text. */
function labelOf({ name, text }: RunRecord): string {
  return name || text.name || "–";
}

function evaluationRows(record: RunRecord, index: number): TemplateResult[] {
  const [time, tokens] = [placesOf(record, "time"), placesOf(record, "tokens")];
  return record.evaluations.map(
    ({ step, trainLoss, validationLoss }) => html`<tr>
      <th scope="row">${letterOf(index)}</th>
      <td>${number(step)}</td>
      <td>${duration(time(step))}</td>
      <td>${lossOf(trainLoss)}</td>
      <td>${lossOf(validationLoss)}</td>
      <td>${number(Math.round(tokens(step)))}</td>
    </tr>`,
  );
}

function letter(index: number): TemplateResult {
  return html`<span class="letter run-${(index % MOST_CURVES) + 1}">${letterOf(index)}</span>`;
}

function table(name: string, shown: readonly RunRecord[], rows: readonly Row[]): TemplateResult {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${name}>
    <table class="runs">
      <thead>
        <tr>
          <td></td>
          ${shown.map((record, index) => html`<th scope="col">${letter(index)} <span>${labelOf(record)}</span></th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr>
            <th scope="row">${row.name}</th>
            ${row.values.map((value) => html`<td>${value}</td>`)}
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

function select<T extends string>(
  id: string,
  label: string,
  all: readonly T[],
  chosen: T,
  words: (value: T) => string,
  onChange: (value: T) => void,
): TemplateResult {
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} @change=${(event: Event) => onChange((event.target as HTMLSelectElement).value as T)}>
      ${all.map((value) => html`<option value=${value} ?selected=${value === chosen}>${words(value)}</option>`)}
    </select>
  </div>`;
}
