// Advice on the run, in the Train step: what its curves and its text suggest, with the numbers that it rests on.
import { html, nothing, type TemplateResult } from "lit";
import type { Advice } from "../../api/lorito";
import { t } from "../i18n";
import type { Store } from "../state";

/** `learned-by-heart` is said by fine-tuning.ts, beside the button that goes back. */
function sentence(advice: Advice): string | undefined {
  switch (advice.advice) {
    case "still-falling":
      return t("advice.stillFalling", advice);
    case "learning-rate-too-high":
      return t("advice.rateTooHigh", advice);
    case "learning-rate-too-low":
      return t("advice.rateTooLow", advice);
    case "validation-differs":
      return t("advice.validationDiffers", advice);
    case "vocabulary-too-large":
      return t("advice.vocabularyTooLarge", advice);
    case "seldom-characters":
      return t("advice.seldomCharacters", { ...advice, characters: advice.characters.join(" ") });
    case "learned-by-heart":
      return undefined;
  }
}

export function adviceOn(store: Store): TemplateResult | typeof nothing {
  const sentences = store.state.advice.map(sentence).filter((words) => words !== undefined);
  if (sentences.length === 0) return nothing;
  return html`<section class="advice" aria-labelledby="advice">
    <h3 id="advice">${t("advice.title")}</h3>
    <ul>${sentences.map((words) => html`<li>${words}</li>`)}</ul>
  </section>`;
}
