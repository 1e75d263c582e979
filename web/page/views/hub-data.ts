// A form to fetch a dataset from the hub by its name: first it lists the tables, then it asks how much to fetch.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";
import type { HubDataset, HubTable } from "../../api/lorito";
import { hostOf } from "../../shared/hub/place";
import { findDataset, hubHost, isHuggingFace, LARGE_DATASET, takeFromHub } from "../from-hub";
import { bytes, t } from "../i18n";
import { action, numberField } from "./fields";
import { hubField, refocus } from "./hub-fields";
import { View } from "./view";

const sizeOf = (table: HubTable, parts = table.files.length) =>
  table.files.slice(0, parts).reduce((sum, file) => sum + file.bytes, 0);

@customElement("lorito-hub-data")
export class HubDataView extends View {
  protected override readonly reads = ["hub", "sendingHub", "busy", "messages"] as const;
  @state() private found: HubDataset | undefined;
  @state() private table = 0;
  /** How many of the table's files; undefined: as many as are fetched without confirmation. */
  @state() private parts: number | undefined;
  @query("#hub-dataset") private name!: HTMLInputElement;

  override render(): TemplateResult {
    const able = this.state.busy === undefined;
    const host = hubHost(this.store);
    return html`<details class="fold">
      <summary>${isHuggingFace(this.state.hub) ? t("hub.data") : t("hub.dataAt", { host })}</summary>
      <form class="field wide" @submit=${this.#find}>
        <label for="hub-dataset">${t("hub.dataset")}</label>
        <span class="row">
          <input id="hub-dataset" type="text" required placeholder="roneneldan/TinyStories" autocomplete="off"
            spellcheck="false" autocapitalize="none" aria-describedby="hub-dataset-about">
          ${action({ label: t("hub.find"), able, act: () => {}, submit: true })}
        </span>
        <small id="hub-dataset-about">${t("hub.dataset.about", { host })}</small>
      </form>
      ${this.found ? this.#choice(this.found, able) : nothing} ${hubField(this.store, "text")}
    </details>`;
  }

  #choice(dataset: HubDataset, able: boolean): TemplateResult {
    const table = dataset.tables[this.table];
    if (!table) return html``;
    const parts = this.#partsOf(table);
    const size = bytes(sizeOf(table, parts));
    return html`<div class="fields">
        <div class="field">
          <label for="hub-table">${t("hub.table")}</label>
          <select id="hub-table" @change=${this.#choose}>
            ${dataset.tables.map(
              (one, index) => html`<option value=${index} ?selected=${index === this.table}>
                ${t(one.isPartial ? "hub.tablePartName" : "hub.tableName", { config: one.config, split: one.split, size: bytes(sizeOf(one)) })}
              </option>`,
            )}
          </select>
        </div>
        ${
          table.files.length > 1
            ? numberField({
                id: "hub-parts",
                label: t("hub.parts"),
                value: parts,
                whole: true,
                min: 1,
                max: table.files.length,
                hint: t("hub.parts.about", { count: table.files.length }),
                onChange: (given) => {
                  this.parts = Math.min(given, table.files.length);
                },
              })
            : nothing
        }
      </div>
      ${table.isPartial ? html`<p class="hint">${t("hub.tablePart", { split: table.split })}</p>` : nothing}
      <p>${action({ label: t("hub.fetch", { size, host: hostOf(dataset.place) }), able, act: () => void this.#fetch(dataset, table), kind: "primary" })}</p>`;
  }

  #partsOf(table: HubTable): number {
    if (this.parts !== undefined) return Math.min(this.parts, table.files.length);
    const small = table.files.findIndex((_, index) => sizeOf(table, index + 1) > LARGE_DATASET);
    return small < 0 ? table.files.length : Math.max(1, small);
  }

  #choose(event: Event): void {
    this.table = Number((event.target as HTMLSelectElement).value);
    this.parts = undefined;
  }

  async #find(event: Event): Promise<void> {
    event.preventDefault();
    const found = await findDataset(this.store, this.name.value);
    if (!found) return refocus(this.name);
    this.found = found;
    this.parts = undefined;
    this.table = Math.max(
      0,
      found.tables.findIndex(({ split }) => split === "train"),
    );
    await this.updateComplete;
    this.querySelector<HTMLElement>("#hub-table")?.focus();
  }

  async #fetch(dataset: HubDataset, table: HubTable): Promise<void> {
    const parts = this.#partsOf(table);
    const size = sizeOf(table, parts);
    const host = hostOf(dataset.place);
    if (size > LARGE_DATASET && !confirm(t("hub.large", { size, host }))) return;
    await takeFromHub(this.store, dataset, table, parts);
    refocus(this.name);
  }
}
