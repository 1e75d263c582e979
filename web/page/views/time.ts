// The choice of how long training may take, and why its model was chosen.
import { html, nothing, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { TimePlan } from "../../api/lorito";
import { duration, t } from "../i18n";
import type { Settings } from "../settings";
import type { Store } from "../state";

/** In minutes; the last is a night. */
const CHOICES = [1, 5, 15, 60, 480];
const NIGHT = 480;
const BY_HAND = "";

export function timeChoice(store: Store): TemplateResult {
  const { minutes } = store.state.settings;
  const isOther = minutes !== undefined && !CHOICES.includes(minutes);
  const all = (isOther ? [...CHOICES, minutes] : CHOICES).toSorted((one, other) => one - other);
  const chosen = minutes === undefined ? BY_HAND : String(minutes);
  const change = (event: Event) => choose(store, (event.target as HTMLSelectElement).value);
  return html`<div class="field time">
    <label for="time">${t("model.time")}</label>
    <span><select id="time" aria-describedby="time-reason" .value=${live(chosen)} @change=${change}>
      <option value=${BY_HAND} ?selected=${chosen === BY_HAND}>${t("model.time.byHand")}</option>
      ${all.map((each) => html`<option value=${each} ?selected=${chosen === String(each)}>${name(each)}</option>`)}
    </select></span>
    <small id="time-reason" role="status">${reason(store) ?? nothing}</small>
  </div>`;
}

function name(minutes: number): string {
  const time = duration(60 * minutes);
  return minutes === NIGHT ? t("model.time.night", { time }) : time;
}

/** A time replaces the preset and the number of steps; without one, both are as they would be. */
function choose(store: Store, value: string): void {
  const { minutes: _, preset, changed, ...others } = store.state.settings;
  const byHand: Settings = { ...others, ...(preset ? { preset } : {}), changed };
  if (value === BY_HAND) {
    store.setSettings(byHand);
    return;
  }
  const { steps: __, ...kept } = changed;
  store.setSettings({ ...others, minutes: Number(value), changed: kept });
}

function reason(store: Store): string | undefined {
  const { settings } = store.state;
  if (settings.minutes === undefined) return undefined;
  if (settings.preset) return t("model.time.ofPreset");
  if (store.timePlan) return sentence(store.timePlan.reason);
  return store.state.text ? t("model.time.measuring") : t("model.time.needsText");
}

function sentence(reason: TimePlan["reason"]): string {
  switch (reason.code) {
    case "larger-sees-less":
      return t("model.time.largerSeesLess", { sees: times(reason.sees), times: times(reason.times) });
    case "text-is-short":
      return t("model.time.textIsShort", { sees: times(reason.sees) });
    case "memory":
      return t("model.time.memory");
    case "largest":
      return t("model.time.largest");
  }
}

/** Two digits, or whole numbers. */
function times(count: number): string {
  const rounded = count < 10 ? Number(count.toPrecision(2)) : Math.round(count);
  return t("model.epochs", { count: rounded });
}
