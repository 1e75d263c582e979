// The page around the steps: navigation, messages, and dropped files.
import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { live } from "lit/directives/live.js";
import type { RunSummary } from "../../api/lorito";
import { part } from "../../shared/part";
import { showEverything } from "../class-view";
import { droppedItems, filesIn } from "../dropped";
import { currentLanguage, date, percent, short, t, wordFor } from "../i18n";
import { takeFiles } from "../intake";
import { changeLanguage, LANGUAGES, nameOf } from "../language";
import { goOn } from "../prepare";
import { STEPS, type Step } from "../state";
import "./as-code";
import "./before-after";
import "./explain";
import { action } from "./fields";
import "./goals";
import "./inside/open";
import "./linked";
import "./model";
import "./report";
import "./share";
import "./text";
import "./tokens";
import "./train";
import { goTo, View } from "./view";
import "./write";

@customElement("lorito-page")
export class Page extends View {
  @state() private dragging = false;
  /** The step in the middle of the window. */
  @state() protected current: Step = "text";
  readonly #inSight = new Set<string>();
  readonly #seen = new IntersectionObserver(
    (entries) => {
      // On a busy page several entries arrive at once, ordered by step and not by time; the last one of a step counts.
      for (const { target, isIntersecting } of entries) {
        if (isIntersecting) this.#inSight.add(target.id);
        else this.#inSight.delete(target.id);
      }
      const [step] = this.#inSight;
      if (step) this.current = step as Step;
    },
    { rootMargin: "-30% 0px -69%" },
  );

  override render(): TemplateResult {
    const { store } = this;
    return html`<a class="skip" href="#text-title" @click=${(event: Event) => this.#jump(event, "text")}>${t("page.skip")}</a>
      <header class="rail">
        <div class="brand">
          <img src="parrot.svg" alt="" width="56" height="56">
          <h1>${t("title")}</h1>
          <p>${t("page.tagline")}</p>
        </div>
        <nav aria-label=${t("page.steps")}>
          <ol>
            ${STEPS.map((step) => this.#link(step))}
          </ol>
        </nav>
        <lorito-goal .store=${store}></lorito-goal>
        ${this.#engine()}
      </header>
      <main>
        <lorito-linked .store=${store}></lorito-linked>
        ${this.#newVersion()} ${this.#lastRun()} ${this.messages("page")}
        <lorito-goals .store=${store}></lorito-goals>
        <lorito-text .store=${store}></lorito-text>
        <lorito-tokens .store=${store}></lorito-tokens>
        <lorito-model .store=${store}></lorito-model>
        <lorito-train .store=${store}></lorito-train>
        <lorito-write .store=${store}></lorito-write>
        <lorito-share .store=${store}></lorito-share>
      </main>
      ${this.dragging ? html`<div class="dropping" aria-hidden="true"><p>${t("page.drop")}</p></div>` : nothing}`;
  }

  #link(step: Step): TemplateResult {
    const [words, done] = this.#standing(step);
    return html`<li class=${done ? "done" : ""}>
      <a href="#${step}-title" aria-current=${step === this.current ? "step" : nothing} @click=${(event: Event) => this.#jump(event, step)}>
        <span class="leaf" aria-hidden="true">${STEPS.indexOf(step) + 1}</span>
        <span class="where"><strong>${t(`${step}.title`)}</strong> <small>${words}</small></span>
      </a>
    </li>`;
  }

  /** A step's state in a few words, and whether it is done. */
  #standing(step: Step): [string, boolean] {
    const { text, tokenizer, model, steps, progress, phase, models } = this.state;
    switch (step) {
      case "text":
        return text ? [t("text.characters", { count: text.characters }), true] : [t("standing.text"), false];
      case "tokens":
        return tokenizer
          ? [t("standing.vocabulary", { count: tokenizer.vocabulary }), true]
          : [t(`tokens.${this.store.tokenizerKind}`), false];
      case "model": {
        const parameters = model?.parameters ?? this.state.plan?.parameters;
        return [
          parameters === undefined ? "" : t("standing.parameters", { count: short(parameters) }),
          model !== undefined,
        ];
      }
      case "train": {
        if (phase === "training" || phase === "recovering") {
          return [t("standing.training", { part: percent((progress?.step ?? 0) / (progress?.endStep || 1)) }), false];
        }
        if (phase === "paused") return [t("standing.paused"), false];
        const last = steps.at(-1)?.step;
        return last ? [t("standing.trained", { count: last }), true] : [t("standing.train"), false];
      }
      case "write":
        return [model ? t("standing.write") : t("standing.noModel"), false];
      case "share":
        return [
          models.length === 0 ? t("standing.unsaved") : t("standing.saved", { count: models.length }),
          models.length > 0,
        ];
    }
  }

  #jump(event: Event, step: Step): void {
    event.preventDefault();
    goTo(step);
  }

  #engine(): TemplateResult {
    const { ready, failed } = this.state;
    const report = html`<lorito-report .lorito=${this.store.lorito}></lorito-report>`;
    if (!ready)
      return html`<div class="engine">
        <p role="status">${failed ? t("engine.failed") : t("engine.starting")}</p>
        ${failed ? report : nothing}
      </div>`;
    const reason = wordFor(`engine.reason.${ready.reason}`);
    return html`<div class="engine">
      <div role="status">
        <p><strong>${t(`engine.${ready.engine}`)}</strong> ${ready.engine === "webgpu" && ready.adapter ? ready.adapter : nothing}</p>
        ${reason ? html`<p>${reason}</p>` : nothing}
      </div>
      ${report}
      <p>${t("page.private")}</p>
      <p class="everything"><button type="button" class="plain" @click=${showEverything}>${t("class.everything")}</button></p>
      ${this.#languages()}
      <p><a class="licences-link" href="licences.txt">${t("page.licences")}</a></p>
    </div>`;
  }

  #languages(): TemplateResult {
    return html`<p class="language">
      <label for="language">${t("page.language")}</label>
      <select id="language" @change=${(event: Event) => this.#speak((event.target as HTMLSelectElement).value)}>
        ${LANGUAGES.map(
          (code) =>
            html`<option value=${code} lang=${code} .selected=${live(code === currentLanguage())}>${nameOf(code)}</option>`,
        )}
      </select>
    </p>`;
  }

  /** Changes the language and renders all elements again; the user's input and open folds are kept. */
  #speak(code: string): void {
    void this.store.attempt("page", undefined, async () => {
      await part(changeLanguage(code));
      for (const element of [this, ...this.querySelectorAll("*")])
        if (element instanceof LitElement) element.requestUpdate();
    });
  }

  /** Offers a new version of the page. Only the user's click reloads it, and only if nothing would be lost. */
  #newVersion(): TemplateResult {
    const { newVersion, text } = this.state;
    const able = this.store.isAtRest;
    return html`<div class="messages" aria-live="polite">${
      newVersion
        ? html`<div class="message notice">
          <p>${t("version.ready")} ${able ? (text ? t("version.text") : nothing) : t("version.later")}</p>
          ${action({ label: t("version.use"), able, act: () => void newVersion() })}
        </div>`
        : nothing
    }</div>`;
  }

  /**
   * Offers the run of the last visit: an interrupted one, or a finished one whose model is stored. Share lists all
   * runs.
   */
  #lastRun(): TemplateResult | typeof nothing {
    const { lastRun: run, ready } = this.state;
    if (!run || !ready) return nothing;
    const cut = run.step < run.endStep;
    return html`<section class="banner" aria-labelledby="last-run">
      <h2 id="last-run">${t(cut ? "lastRun.cut" : "lastRun.done")}</h2>
      <p>${t(cut ? "lastRun.cutAbout" : "lastRun.doneAbout", { step: run.step, end: run.endStep, at: date(run.savedAt), text: run.textName })}</p>
      ${this.state.runs.length > 1 ? html`<p>${t("lastRun.others", { count: this.state.runs.length - 1 })}</p>` : nothing}
      <p class="controls">
        <button type="button" class="primary" @click=${() => this.#goOn(run)}>${t(cut ? "lastRun.continue" : "lastRun.open")}</button>
        <button type="button" @click=${() => this.#discard(run)}>${t("lastRun.discard")}</button>
      </p>
    </section>`;
  }

  #goOn(run: RunSummary): void {
    void goOn(this.store, run);
    goTo("train");
  }

  #discard({ run }: RunSummary): void {
    if (!confirm(t("lastRun.confirm"))) return;
    this.store.change({ lastRun: undefined });
    void this.store.attempt("page", undefined, async () => {
      await this.store.lorito.discardRun(run);
      await this.store.readRuns();
    });
    goTo("text");
  }

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("dragover", this.#over);
    addEventListener("dragleave", this.#out);
    addEventListener("drop", this.#drop);
  }

  /** Keeps the current step visible in the navigation on narrow screens. */
  override updated(changed: PropertyValues): void {
    // Not on the first update: the strip is at its start, and reading its position would force a layout.
    if (changed.get("current") === undefined) return;
    const link = this.querySelector<HTMLElement>("nav [aria-current]");
    const strip = link?.closest("nav");
    if (link && strip) strip.scrollLeft = link.offsetLeft - (strip.clientWidth - link.offsetWidth) / 2;
  }

  override async firstUpdated(): Promise<void> {
    // The views render their sections after the page has rendered the views.
    await Promise.all([...this.querySelectorAll<View>("main > *")].map((view) => view.updateComplete));
    for (const section of this.querySelectorAll("section.step")) this.#seen.observe(section);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#seen.disconnect();
    removeEventListener("dragover", this.#over);
    removeEventListener("dragleave", this.#out);
    removeEventListener("drop", this.#drop);
  }

  readonly #over = (event: DragEvent) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.dragging = true;
  };

  readonly #out = (event: DragEvent) => {
    if (event.relatedTarget === null) this.dragging = false;
  };

  readonly #drop = (event: DragEvent) => {
    this.dragging = false;
    const items = event.dataTransfer ? droppedItems(event.dataTransfer) : [];
    if (items.length === 0) return;
    event.preventDefault();
    void takeFiles(this.store, () => filesIn(items)).then(({ hadModel }) => hadModel && goTo("share"));
  };
}
