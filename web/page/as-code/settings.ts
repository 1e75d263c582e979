// What the code is written from: the person's text, settings and model, as they are at this moment.
import { SETTINGS } from "../../shared/settings";
import { SAMPLES, sampleFile } from "../intake";
import { wantedTokenizer } from "../prepare";
import type { Shape } from "../settings";
import type { State, Store } from "../state";

export interface CodeSource {
  name: string;
  /** The column or field with its text; none in plain text. */
  field: string | undefined;
  encoding: string;
  documents: number;
  /** Read as turns of conversations. */
  conversations: boolean;
  /** One of the page's own samples. */
  sample: boolean;
}

export interface CodeSettings {
  /** Empty where there is no text yet. */
  sources: CodeSource[];
  /** Whether whole documents are held back, or the last tenth of each. */
  heldBack: "documents" | "ends";
  /** Whether the last tenth was asked for. */
  heldBackAsked: boolean;
  tokenizer: { kind: "char" | "byte" | "bpe"; vocabulary: number };
  /** A model that came in from elsewhere, with its tokenizer, and that training goes on with. */
  opened: boolean;
  model: Omit<Shape["model"], "variant">;
  train: Shape["train"];
  sampling: State["sampling"];
}

/** What the ways to cut a text are, in words. */
export const KIND_WORDS = {
  char: "asCode.tokens.char",
  byte: "asCode.tokens.byte",
  bpe: "asCode.tokens.bpe",
} as const;

/** Undefined until the engine has told its presets. */
export function codeSettings(store: Store): CodeSettings | undefined {
  const { shape } = store;
  if (!shape) return undefined;
  const { text, model, modelOrigin, sampling } = store.state;
  const samples: string[] = SAMPLES.map(sampleFile);
  const sources = (text?.sources ?? []).map(({ name, field, encoding, documents, turns }) => {
    return {
      name,
      field: field ?? undefined,
      encoding,
      documents,
      conversations: turns > 0,
      sample: samples.includes(name),
    };
  });
  const { kind, vocabulary = SETTINGS.tokenizer.vocabulary.default } = wantedTokenizer(store);
  const heldBackAsked = text?.heldBack === "ends";
  return {
    sources,
    heldBack: heldBackAsked || (text?.documents ?? 1) === 1 ? "ends" : "documents",
    heldBackAsked,
    tokenizer: { kind, vocabulary },
    opened: model !== undefined && modelOrigin === "given",
    // A run that goes on has the shape that it has.
    model: model && modelOrigin !== "made" ? model.config : shape.model,
    train: shape.train,
    sampling,
  };
}
