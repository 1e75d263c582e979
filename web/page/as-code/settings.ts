// What the code is written from: the person's text, settings and model, as they are at this moment.
import type { ChatOptions, Source } from "../../api/lorito";
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
  /** Who of a chat is learned, and what of it is left out. */
  chat: ChatOptions | undefined;
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

function codeSource(
  { name, field, encoding, documents, turns, chat, conversational }: Source,
  sample: boolean,
): CodeSource {
  return {
    name,
    // A chat is read as conversations where records of it could be read as a table, too.
    field: chat && conversational ? "" : (field ?? undefined),
    encoding,
    documents,
    conversations: turns > 0,
    chat: chat ? { you: chat.you || undefined, filters: chat.filters, plain: chat.plain } : undefined,
    sample,
  };
}

/** Undefined until the engine has told its presets. */
export function codeSettings(store: Store): CodeSettings | undefined {
  const { shape } = store;
  if (!shape) return undefined;
  const { text, model, modelOrigin, sampling } = store.state;
  const samples: string[] = SAMPLES.map(sampleFile);
  const sources = (text?.sources ?? []).map((source) => codeSource(source, samples.includes(source.name)));
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
