// Generates the Text step in Python: reads files into documents and splits off validation data.
import { t } from "../i18n";
import type { CodeSettings, CodeSource } from "./settings";
import { comment, lines } from "./source";

const remark = (words: string) => comment("#", words);

/** Encodings with another name in Python. */
const NAMES: Record<string, string> = { "utf-8": "utf-8-sig", "windows-874": "cp874" };

const TABLES = /\.(csv|tsv|jsonl|ndjson|json)$/i;
const PLAIN = /\.(txt|md|markdown|text|log)$/i;

export function readText({ sources, heldBack }: CodeSettings): string {
  const read = sources.map(readSource);
  const has = (module: string) => read.some((code) => code.includes(`${module}.`));
  return lines(
    has("csv") && "import csv",
    has("json") && "import json",
    heldBack === "documents" && "import random",
    "from pathlib import Path",
    "",
    remark(sources.length > 0 ? t("asCode.text.files") : t("asCode.text.none")),
    "documents = []",
    ...(sources.length > 0 ? read : [plain("my-text.txt", "utf-8-sig", false)]),
    "",
    ...(heldBack === "ends" ? ends() : whole()),
  );
}

function readSource({ name, field, encoding, documents, conversations }: CodeSource): string {
  const python = NAMES[encoding] ?? encoding;
  if (field !== undefined && !conversations && TABLES.test(name)) return table(name, field, python);
  if (PLAIN.test(name) && !conversations) return plain(name, python, documents > 1);
  // The conversion of archives, conversations and pasted text would take too many lines.
  const file = `${name.replace(/\.\w+$/, "").replaceAll(/[^\p{L}\p{N}-]+/gu, "-")}.txt`;
  return lines(remark(t("asCode.text.otherForm", { name, file })), plain(file, "utf-8-sig", false));
}

function plain(name: string, encoding: string, several: boolean): string {
  const text = `Path(${JSON.stringify(name)}).read_text(encoding="${encoding}")`;
  return several ? `documents += ${text}.split("<|endoftext|>")` : `documents.append(${text})`;
}

function table(name: string, field: string, encoding: string): string {
  const file = JSON.stringify(name);
  const value = JSON.stringify(field);
  const kept = `documents += [row[${value}] for row in rows if row.get(${value})]`;
  if (/\.(csv|tsv)$/i.test(name)) {
    const delimiter = /\.tsv$/i.test(name) ? `, delimiter="\\t"` : "";
    return lines(
      `with open(${file}, encoding="${encoding}", newline="") as file:`,
      `    rows = list(csv.DictReader(file${delimiter}))`,
      kept,
    );
  }
  const text = `Path(${file}).read_text(encoding="${encoding}")`;
  const rows = /\.json$/i.test(name)
    ? `json.loads(${text})`
    : `[json.loads(line) for line in ${text}.splitlines() if line.strip()]`;
  return lines(`rows = ${rows}`, kept);
}

function ends(): string[] {
  return [
    remark(t("asCode.text.ends")),
    "train_texts = [text[: len(text) * 9 // 10] for text in documents]",
    "validation_texts = [text[len(text) * 9 // 10 :] for text in documents]",
  ];
}

function whole(): string[] {
  return [
    remark(t("asCode.text.whole")),
    "random.Random(1337).shuffle(documents)",
    "tenth = max(1, len(documents) // 10)",
    "train_texts, validation_texts = documents[tenth:], documents[:tenth]",
  ];
}
