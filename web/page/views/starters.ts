// The pretrained models to begin from, with what each needs on this device. Nothing is fetched before a button is pressed.
import { html, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import type { OpeningCost } from "../../api/lorito";
import { hubHost, openFromHub } from "../from-hub";
import { bytes, currentLanguage, list, short, t } from "../i18n";
import { STARTERS, type Starter } from "../starters";
import { goTo, View } from "./view";

@customElement("lorito-starters")
export class Starters extends View {
  protected override readonly reads = ["ready", "busy", "hub", "messages"] as const;
  /** What each model takes here, by its repository. */
  @state() private costs: Record<string, OpeningCost> = {};

  override render(): TemplateResult {
    return html`<details class="fold" @toggle=${this.#ask}>
      <summary>${t("starters.title")}</summary>
      <p class="hint">${t("starters.lead", { host: hubHost(this.store) })}</p>
      <ul class="starters">${STARTERS.map((starter) => this.#starter(starter))}</ul>
    </details>`;
  }

  #starter(starter: Starter): TemplateResult {
    const { repository, name, chats, licence, download } = starter;
    const cost = this.costs[repository];
    const able = cost?.fits === true && this.state.busy === undefined;
    return html`<li class=${cost && !cost.fits ? "unfit" : ""}>
      <p>
        <strong>${name}</strong>
        <span class="explanation">
          ${t("starters.facts", {
            languages: languagesOf(starter),
            use: t(chats ? "starters.chats" : "starters.continues"),
            download: bytes(download),
            licence,
          })}
          ${cost ? this.#needs(cost) : nothing}
        </span>
      </p>
      <button type="button" ?disabled=${!able} @click=${() => this.#open(repository)}>${t("starters.open", { name })}</button>
    </li>`;
  }

  #needs({ parameters, bytes: needed, fits }: OpeningCost): string {
    const values = { parameters: short(parameters), memory: bytes(needed) };
    return fits ? t("starters.needs", values) : t("starters.tooLarge", values);
  }

  /** Asks the engine what the models take, once the list is opened. */
  readonly #ask = async (): Promise<void> => {
    for (const { repository, config } of STARTERS) {
      if (this.costs[repository]) continue;
      const cost = await this.store.attempt("model", undefined, () => this.store.lorito.costOfOpening(config));
      if (cost) this.costs = { ...this.costs, [repository]: cost };
    }
  };

  async #open(repository: string): Promise<void> {
    if (await openFromHub(this.store, repository, "model")) goTo("write");
  }
}

function languagesOf({ languages, more }: Starter): string {
  const names = new Intl.DisplayNames([currentLanguage()], { type: "language" });
  const known = languages.map((code) => names.of(code) ?? code);
  return more ? t("starters.andMore", { languages: known.join(", ") }) : list(known);
}
