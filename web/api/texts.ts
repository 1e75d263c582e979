// The part of the public API that adds texts and tokenizes them.
import type { HeldBack, Piece, TextSummary, TokenizerKind, TokenizerSummary } from "lorito-wasm";
import { LoritoError, type Problem, problemOf } from "../shared/errors";
import { documentKind, isArchive } from "../shared/kinds";
import { Events } from "./events";
import { startOf } from "./start-of";
import type { AddedText, AddTextOptions } from "./types";

export class Texts extends Events {
  /**
   * Adds a text: .txt, .md, .csv, .json, .jsonl, or one of these gzipped, or .parquet; a chat exported from WhatsApp, as
   * .txt or .zip; or the text of a document: .pdf, .docx, .odt, .epub, .html, .srt, .vtt, .eml or .mbox. An array holds the parts of one file. From an archive every chat is added as its own text, or, if there is
   * none, every file that can be read as text; notices list the others. If nothing can be read, the text stays unchanged.
   */
  async addText(
    name: string,
    data: string | Uint8Array | Blob | Blob[],
    options: AddTextOptions = {},
  ): Promise<AddedText> {
    const given = data instanceof Blob || Array.isArray(data) ? data : new Blob([data as BlobPart]);
    // Word's documents and e-books are archives, too.
    if (Array.isArray(given) || documentKind(name) || !isArchive(await startOf(given, name)))
      return { ...(await this.#addOne(name, given, options)), notices: [] };
    const { texts, notices } = await this.withWord(
      (call) => this.owner.ask((api) => api.textsIn(call, name, given)),
      () => {},
      options.signal,
    );
    let { replaces } = options;
    let summary: TextSummary | undefined;
    const refused: Problem[] = [];
    for (const text of texts) {
      try {
        summary = await this.#addOne(text.name, text.data, { ...options, replaces });
        replaces = undefined;
      } catch (thrown) {
        const problem = problemOf(thrown);
        if (problem.code === "cancelled") throw thrown;
        refused.push(problem);
      }
    }
    const [first] = refused;
    if (!summary) throw LoritoError.from(first);
    return { ...summary, notices: [...notices, ...refused] };
  }

  async #addOne(
    name: string,
    blob: Blob | Blob[],
    { field, chat, encoding, replaces, onProgress, signal }: AddTextOptions,
  ): Promise<TextSummary> {
    const reading = { field, chat, encoding };
    const summary = await this.withWord(
      (call) => this.owner.ask((api) => api.addText(call, name, blob, reading, replaces)),
      (event) => event.event === "loaded" && onProgress?.(event.loaded, event.total),
      signal,
    );
    const { texts } = this.owner.replay;
    texts[Math.min(replaces ?? texts.length, texts.length)] = { name, data: blob, reading };
    return this.tell("text", summary);
  }

  /** The original file of a text, also from an archive, by its index in `sources`; undefined if unknown. */
  textFile(index: number): Blob | Blob[] | undefined {
    return this.owner.replay.texts[index]?.data;
  }

  /** The names of the files in a ZIP archive. */
  namesIn(archive: Blob): Promise<string[]> {
    return this.owner.ask((api) => api.namesIn(archive));
  }

  /** Removes a text by its index in `sources`. */
  async removeText(index: number): Promise<TextSummary> {
    const summary = await this.owner.ask((api) => api.removeText(index));
    this.owner.replay.texts.splice(index, 1);
    return this.tell("text", summary);
  }

  async clearText(): Promise<TextSummary> {
    const summary = await this.owner.ask((api) => api.clearText());
    this.owner.replay.texts.length = 0;
    this.owner.replay.heldBack = undefined;
    return this.tell("text", summary);
  }

  /**
   * Chooses the validation data: whole documents, or the last tenth of each, which suits a few long ones. Conversations are
   * held back whole.
   */
  async holdBack(what: HeldBack): Promise<TextSummary> {
    const summary = await this.owner.ask((api) => api.holdBack(what));
    this.owner.replay.heldBack = what;
    return this.tell("text", summary);
  }

  textSummary(): Promise<TextSummary> {
    return this.owner.ask((api) => api.plain("textSummary"));
  }

  /** Trains a tokenizer on the text. `vocabSize` applies to "bpe" only. */
  async trainTokenizer(options: {
    kind: TokenizerKind;
    vocabSize?: number | undefined;
  }): Promise<TokenizerSummary & { vocabSize: number }> {
    const { kind, vocabSize: vocabulary } = options;
    const summary = await this.owner.ask((api) => api.trainTokenizer(kind, vocabulary));
    this.owner.replay.tokenizer = { kind, vocabulary };
    this.tell("tokenizer", summary);
    return { ...summary, vocabSize: summary.vocabulary };
  }

  /** A suitable BPE vocabulary size for this text. */
  suggestedVocabulary(): Promise<number> {
    return this.owner.ask((api) => api.plain("suggestedVocabulary"));
  }

  /** The text as a list of tokens. */
  previewTokens(text: string): Promise<Piece[]> {
    return this.owner.ask((api) => api.plain("previewTokens", text));
  }

  /** The loss mask of a text: 1 for tokens that are learned, 0 for context only; in conversations the answers are learned. */
  learnedTokens(text: string): Promise<Uint8Array> {
    return this.owner.ask((api) => api.plain("lossMaskOf", text));
  }

  /** Characters that the tokenizer has no token for and drops. */
  unknownCharacters(text: string): Promise<string> {
    return this.owner.ask((api) => api.plain("unknownCharacters", text));
  }

  encode(text: string): Promise<Uint32Array> {
    return this.owner.ask((api) => api.plain("encode", text));
  }

  decode(ids: ArrayLike<number>): Promise<string> {
    return this.owner.ask((api) => api.plain("decode", Uint32Array.from(ids)));
  }
}
