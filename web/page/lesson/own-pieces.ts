// Base class of pictures that show the text's beginning as tokens; tokenizes again when text or tokenizer change.
import { state } from "lit/decorators.js";
import type { Piece } from "../../api/lorito";
import type { State } from "../state";
import { Picture } from "./picture";

const CHARACTERS = 120;

export abstract class OwnPieces extends Picture {
  protected override readonly reads: readonly (keyof State)[] = ["text", "tokenizer"];
  /** Without a tokenizer each piece is a character without an id. */
  @state() protected pieces: Pick<Piece, "ids" | "text">[] = [];
  @state() protected isTokenized = false;
  #asked: unknown[] = [];

  protected override updated(): void {
    const { text, tokenizer } = this.state;
    const beginning = text?.preview.slice(0, CHARACTERS) ?? "";
    if (this.#asked[0] === beginning && this.#asked[1] === tokenizer) return;
    this.#asked = [beginning, tokenizer];
    if (tokenizer && beginning) void this.#cut(beginning);
    else {
      this.pieces = [...beginning].map((text) => ({ text, ids: [] }));
      this.isTokenized = false;
    }
  }

  async #cut(beginning: string): Promise<void> {
    const pieces = await this.store.lorito.previewTokens(beginning).catch(() => undefined);
    if (!pieces || this.#asked[0] !== beginning) return;
    this.pieces = pieces;
    this.isTokenized = true;
  }
}
