// Collects the input of the code generators: the user's present texts, settings and model.
import type { ChatOptions, ModelConfig, Source } from "../../api/lorito";
import { SETTINGS } from "../../shared/settings";
import { SAMPLES, sampleFile } from "../intake";
import { wantedTokenizer } from "../prepare";
import type { Shape } from "../settings";
import type { State, Store } from "../state";

export interface CodeSource {
  name: string;
  /** The column or field with the text; undefined for plain text. */
  field: string | undefined;
  encoding: string;
  documents: number;
  /** Whether it is read as the turns of conversations. */
  conversations: boolean;
  /** Which participants of a chat are trained on, and what is omitted. */
  chat: ChatOptions | undefined;
  /** Whether it is one of the page's samples. */
  sample: boolean;
}

export interface CodeSettings {
  /** Empty if there is no text yet. */
  sources: CodeSource[];
  /** Whether whole documents are held back, or the last tenth of each. */
  heldBack: "documents" | "ends";
  /** Whether the user chose the last tenth. */
  heldBackAsked: boolean;
  tokenizer: { kind: "char" | "byte" | "bpe"; vocabulary: number };
  /** Whether a model with its tokenizer was opened, so that training continues from it. */
  opened: boolean;
  model: Omit<Shape["model"], "variant">;
  family: Shape["family"];
  /** The numbers of the planned model that only a Llama has. */
  llama: NonNullable<NonNullable<ModelConfig["variant"]>["llama"]> | undefined;
  train: Shape["train"];
  sampling: State["sampling"];
  prompt: string;
}

/** The names of the kinds of tokenizer. */
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
    // A chat is read as conversations even if its records could be read as a table.
    field: chat && conversational ? "" : (field ?? undefined),
    encoding,
    documents,
    conversations: turns > 0,
    chat: chat ? { you: chat.you || undefined, filters: chat.filters, plain: chat.plain } : undefined,
    sample,
  };
}

/** Undefined until the engine has reported its presets. */
export function codeSettings(store: Store): CodeSettings | undefined {
  const { shape } = store;
  if (!shape) return undefined;
  const { text, model, modelOrigin, plan, sampling, prompt } = store.state;
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
    // A run that continues keeps the model's shape.
    model: model && modelOrigin !== "made" ? model.config : shape.model,
    family: shape.family,
    llama: plan?.model.variant?.llama,
    train: shape.train,
    sampling,
    prompt,
  };
}
