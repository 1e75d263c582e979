// Generates the steps as JavaScript for this page's console: calls of `window.lorito`.
import { t } from "../i18n";
import type { Step } from "../state";
import { type CodeSettings, type CodeSource, KIND_WORDS } from "./settings";
import { comment, lines } from "./source";

const remark = (words: string) => comment("//", words);

/** Formats an object's fields, one per line. */
function fields(values: object, indent: string): string {
  return Object.entries(values)
    .map(([name, value]) => `${indent}${name}: ${JSON.stringify(value)},`)
    .join("\n");
}

const writers: Record<Step, (settings: CodeSettings) => string> = { text, tokens, model, train, write, share };

/** Generates a step. It declares no variables, so that it can be run twice. */
export function javascript(step: Step, settings: CodeSettings): string {
  return writers[step](settings);
}

function text({ sources, heldBackAsked }: CodeSettings): string {
  const onlySamples = sources.every(({ sample }) => sample);
  const added = sources.map((source, index) => addText(source, onlySamples ? undefined : index));
  return lines(
    sources.length === 0 && remark(t("asCode.text.none")),
    sources.length === 0 && `await lorito.addText("my-text.txt", ${JSON.stringify(t("asCode.text.example"))});`,
    sources.length > 0 && onlySamples && "await lorito.clearText();",
    !onlySamples && remark(t("asCode.text.again")),
    ...added,
    heldBackAsked && remark(t("asCode.text.ends")),
    heldBackAsked && `await lorito.holdBack("ends");`,
  );
}

/** `index`: the number of the text in the page, from which it is read again. */
function addText({ name, field, encoding, chat, sample }: CodeSource, index: number | undefined): string {
  const options = {
    ...(field === undefined ? {} : { field }),
    ...(encoding === "utf-8" ? {} : { encoding }),
    ...(chat ? { chat } : {}),
    ...(index === undefined ? {} : { replaces: index }),
  };
  const data = sample ? `await (await fetch("samples/${name}")).blob()` : `lorito.textFile(${index})`;
  const given = Object.entries(options).map(([option, value]) => `${option}: ${JSON.stringify(value)}`);
  const last = given.length > 0 ? `, { ${given.join(", ")} }` : "";
  return `await lorito.addText(${JSON.stringify(name)}, ${data}${last});`;
}

function tokens({ opened, tokenizer: { kind, vocabulary } }: CodeSettings): string {
  if (opened) return remark(t("asCode.tokens.openedHere"));
  const size = kind === "bpe" ? `, vocabSize: ${vocabulary}` : "";
  return lines(remark(t(KIND_WORDS[kind])), `console.log(await lorito.trainTokenizer({ kind: "${kind}"${size} }));`);
}

function model({ opened, model: shape, family, train: { seed } }: CodeSettings): string {
  const { layers, heads, width, context, dropout } = shape;
  if (opened) return lines(remark(t("asCode.model.openedHere")), "console.log(await lorito.modelSummary());");
  return lines(
    remark(t("asCode.model.new")),
    "console.log(",
    "  await lorito.createModel({",
    family === "gpt2" ? false : `    family: "${family}",`,
    fields({ layers, heads, width, context, dropout, seed }, "    "),
    "  }),",
    ");",
  );
}

function train({ train }: CodeSettings): string {
  const { lora, decay, order, ...numbers } = train;
  return lines(
    remark(t("asCode.train.sameSeed")),
    "console.log(",
    "  await lorito.train({",
    fields(numbers, "    "),
    decay && `    decay: ${JSON.stringify(decay)},`,
    order && `    order: ${JSON.stringify(order)},`,
    lora && remark(t("asCode.train.lora")).replaceAll(/^/gm, "    "),
    lora && `    lora: ${JSON.stringify(lora)},`,
    "    onProgress: ({ step, loss }) => console.log(step, loss),",
    "  }),",
    ");",
  );
}

function write({ sampling, prompt }: CodeSettings): string {
  return lines(
    remark(t("asCode.write.prompt")),
    "console.log(",
    `  await lorito.generate(${JSON.stringify(prompt)}, {`,
    fields(sampling, "    "),
    "  }),",
    ");",
  );
}

function share(): string {
  return lines(
    remark(t("asCode.share.file")),
    `Object.assign(document.createElement("a"), {`,
    `  href: URL.createObjectURL(await lorito.exportModel("safetensors", "lorito")),`,
    `  download: "lorito.safetensors",`,
    "}).click();",
  );
}
