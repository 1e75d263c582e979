// Collects the text of marked-up documents: runs of white space become one space, and blocks get lines of their own.

/** Longest text of a document, in UTF-16 units: a few thousand books. More does not fit beside a model. */
const longest = 2 ** 28;
/** White space that may be collapsed; not the spaces that must not break. */
const white = /[ \t\r\n\f]+/g;

export class Prose {
  readonly #parts: string[] = [];
  #length = 0;
  #breaks = 0;
  #space = false;
  #mark = "";

  /** Words, of which any white space counts as one space. */
  write(words: string): void {
    const text = words.replace(white, " ");
    if (text === "" || text === " ") {
      this.#space ||= text !== "";
      return;
    }
    const bare = text.replace(/^ | $/g, "");
    this.#start(text.startsWith(" "));
    this.#push(bare);
    this.#space = text.endsWith(" ");
  }

  /** Text as it is, with its spaces and lines. */
  exactly(text: string): void {
    if (text === "") return;
    this.#start(false);
    this.#push(text);
  }

  /** The end of one cell of a table. */
  cellEnd(): void {
    this.#space = false;
    this.exactly("\t");
  }

  /** The next words begin a line; with 2, after an empty one. */
  break(lines: 1 | 2): void {
    this.#breaks = Math.max(this.#breaks, lines);
  }

  /** The line ends here: a second one leaves a line empty. */
  lineEnd(): void {
    this.#breaks = Math.min(2, this.#breaks + 1);
  }

  /** What stands before the next words, such as "- ". */
  mark(mark: string): void {
    this.#mark = mark;
  }

  /** The whole text. */
  text(): string {
    return this.#parts.join("");
  }

  #start(space: boolean): void {
    const begun = this.#parts.length > 0;
    if (begun && this.#breaks > 0) this.#push("\n".repeat(this.#breaks));
    else if (begun && (space || this.#space) && !/\s$/.test(this.#parts.at(-1) ?? "")) this.#push(" ");
    if (this.#mark !== "") this.#push(this.#mark);
    this.#breaks = 0;
    this.#mark = "";
    this.#space = false;
  }

  #push(text: string): void {
    this.#length += text.length;
    if (this.#length > longest) throw new Error("its text is too long");
    this.#parts.push(text);
  }
}
