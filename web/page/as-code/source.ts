// Shared by the code generators: translated comments, and the order of the steps.

/** Widest comment, in characters. */
const WIDTH = 88;

/** Formats words as a comment, wrapped into lines. `mark`: the language's comment sign. */
export function comment(mark: string, words: string): string {
  const lines: string[] = [];
  let line = mark;
  for (const word of words.split(" ")) {
    if (line !== mark && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = mark;
    }
    line += ` ${word}`;
  }
  return [...lines, line].join("\n");
}

/** Joins the lines that are defined. */
export function lines(...all: (string | false | undefined)[]): string {
  return all.filter((line) => typeof line === "string").join("\n");
}

/** Whether a line of code is a comment. Generated code has no comments at the end of a line. */
export function isComment(line: string): boolean {
  return /^\s*(#|\/\/)/.test(line);
}
