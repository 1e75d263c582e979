// The page of a one-page model: facts about it, and a form to generate text. It is opened from the disk, without a network.
import { html, nothing, render, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";
import type { Lorito } from "../api/lorito";
import { fixed, sentenceOf, settingName, short, speak, t } from "../page/i18n";
import { fileName, saveFile } from "../page/save-file";
import { Store } from "../page/state";
import { action, figures } from "../page/views/fields";
import { WriteView } from "../page/views/write";
import { problemOf } from "../shared/errors";
import { unpacked } from "../shared/one-page/packing";
import type { OnePageWords } from "../shared/one-page/words";
import { OneModel, take } from "./model";

/** The Write step of Lorito's own page, here the only step. */
@customElement("lorito-one-page-write")
class Write extends WriteView {
  protected override step(_: string, body: unknown): TemplateResult {
    return html`<section class="step" aria-labelledby="write-title">
      <h2 id="write-title">${t("write.title")}</h2>
      ${this.messages("write")} ${body}
    </section>`;
  }
}

/** The model's size and quality. */
function facts({ summary, history }: OneModel): TemplateResult {
  const { layers, heads, width, context } = summary.config;
  const validationLoss = history.evaluations.at(-1)?.validationLoss ?? undefined;
  const trainLoss = history.evaluations.at(-1)?.trainLoss ?? history.steps.at(-1)?.loss;
  const loss = (name: string, value: number | undefined) =>
    value === undefined ? [] : [[name, fixed(value, 3)] as const];
  return html`<section class="sheet" aria-labelledby="facts-title">
    <h2 id="facts-title">${t("onePage.facts")}</h2>
    ${figures([
      [t("model.figure.parameters"), short(summary.parameters)],
      [t("onePage.steps"), history.steps.at(-1)?.step ?? 0],
      ...loss(t("figure.trainLoss"), trainLoss),
      ...loss(t("figure.validationLoss"), validationLoss),
      [settingName("layers"), layers],
      [settingName("heads"), heads],
      [settingName("width"), width],
      [settingName("context"), context],
      [settingName("vocabulary"), summary.vocabulary],
    ])}
  </section>`;
}

/** A link to Lorito: the page contains the whole model file. */
function wayBack(model: OneModel, store: Store): TemplateResult {
  const name = document.querySelector("h1")?.textContent ?? "";
  const save = () =>
    void store.attempt("write", undefined, async () => saveFile(await model.file(), `${fileName(name)}.safetensors`));
  return html`<p class="controls">
    ${action({ label: t("onePage.save"), able: true, act: save })}
    <small>${t("onePage.save.about")}</small>
  </p>`;
}

/** The licences of Lorito and its dependencies, which must be distributed with them. */
function licences(): TemplateResult {
  let packed: Blob | undefined;
  const show = async ({ currentTarget }: Event) => {
    const place = (currentTarget as Element).querySelector("pre");
    if (!place || packed) return;
    packed = take("licences");
    place.textContent = await new Response(
      unpacked(packed.stream() as ReadableStream<Uint8Array<ArrayBuffer>>, 1),
    ).text();
  };
  return html`<details class="licences" @toggle=${show}>
    <summary>${t("onePage.licences")}</summary>
    <pre tabindex="0"></pre>
  </details>`;
}

/** Resolves once the whole page has been parsed. */
function parsed(): Promise<unknown> {
  if (document.readyState !== "loading") return Promise.resolve();
  return new Promise((there) => document.addEventListener("DOMContentLoaded", there));
}

async function show(): Promise<void> {
  await parsed();
  const { language, words }: OnePageWords = JSON.parse(document.querySelector("#words")?.textContent ?? "");
  speak(language, words);
  const main = document.querySelector("main");
  if (!main) return;
  const status = document.querySelector("#opening");
  try {
    const model = await OneModel.open();
    // The views on this page call only the methods that OneModel has.
    const store = new Store(model as unknown as Lorito);
    const { steps, evaluations } = model.history;
    store.change({ model: model.summary, steps, evaluations });
    const write = new Write();
    write.store = store;
    status?.remove();
    render(html`${facts(model)} ${write} ${wayBack(model, store)} ${licences()}`, main);
  } catch (thrown) {
    status?.remove();
    render(html`<div class="message error" role="alert"><p>${sentenceOf(problemOf(thrown))}</p></div>${nothing}`, main);
  }
}

void show();
