// Divides documents into passages: a few paragraphs of one document, so long that an answer is likely to be in one, and so
// short that a model with a small context can be given several.

/** Characters from which on a passage takes no further paragraph. */
const enough = 500;
/** Most characters of a passage; longer paragraphs are divided between sentences. */
const most = 800;
/** Most characters of a heading. */
const heading = 80;

/** The passages of a document, in its order. All its words are in them. */
export function passagesOf(document: string): string[] {
  const passages: string[] = [];
  let passage = "";
  const end = () => {
    if (passage) passages.push(passage);
    passage = "";
  };
  for (const paragraph of paragraphsOf(document)) {
    const tooLong = passage.length + paragraph.length + 2 > most;
    if (tooLong || passage.length >= enough || (isHeading(paragraph) && !isHeading(passage))) end();
    passage = passage ? `${passage}\n\n${paragraph}` : paragraph;
  }
  end();
  return passages;
}

/** Blocks between blank lines. Those that are too long are divided between their lines, and these between sentences. */
function paragraphsOf(document: string): string[] {
  return document
    .split(/\n\s*\n/)
    .map((block) => block.trim())
    .filter(Boolean)
    .flatMap((block) => (block.length <= most ? [block] : joined(block.split("\n").flatMap(shortened), "\n")));
}

/** A heading begins a passage, with what stands below it. */
function isHeading(paragraph: string): boolean {
  return paragraph.length > 0 && paragraph.length <= heading && !/[\n.,;:!?…"»”]/.test(paragraph);
}

/** A line in pieces of at most `most` characters, which end with sentences where there are any. */
function shortened(line: string): string[] {
  if (line.length <= most) return [line];
  const pieces = sentencesOf(line).flatMap(
    (sentence) => sentence.match(new RegExp(`.{1,${most}}(?=\\s|$)|.{1,${most}}`, "gsu")) ?? [],
  );
  return joined(pieces, " ");
}

/** Neighbouring pieces put together, up to about `enough` characters. */
function joined(pieces: readonly string[], between: string): string[] {
  const all: string[] = [];
  for (const piece of pieces) {
    const last = all.at(-1);
    if (last !== undefined && last.length < enough && last.length + piece.length < most)
      all[all.length - 1] = last + between + piece;
    else all.push(piece);
  }
  return all;
}

/** The sentences of a text: each ends with its mark, and quotation marks after that. Lines end sentences, too. */
export function sentencesOf(text: string): string[] {
  return text
    .split(/(?<=[.!?…]["'»”’)]*)\s+|\n+/u)
    .map((sentence) => sentence.trim())
    .filter(Boolean);
}
