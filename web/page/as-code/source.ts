// What the writers of code have in common: comments in the person's language, and the order of the steps.

/** The widest a comment gets, in characters. */
const WIDTH = 88;

/** Words as a comment, in as many lines as they need. `mark`: what begins a comment in that language. */
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

/** The lines that are there. */
export function lines(...all: (string | false | undefined)[]): string {
  return all.filter((line) => typeof line === "string").join("\n");
}

/** Whether a line of code is a comment. In code that is written here, none stands behind other code. */
export function isComment(line: string): boolean {
  return /^\s*(#|\/\/)/.test(line);
}
