// Generates training texts for which a tokenizer gets exactly a configuration's vocabulary size.

/** Numbers below `count`, most of which follow from the previous one. */
function* chain(count) {
  let state = 1;
  let id = 0;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    id = state >>> 28 === 0 ? (state >>> 8) % count : (id * 5 + 3) % count;
    yield id;
  }
}

/** A text of 64 letters; with the end-of-text token, 65 ids. */
function letters(characters) {
  const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
  let out = alphabet;
  for (const id of chain(alphabet.length)) {
    if (out.length >= characters) return out;
    out += alphabet[id];
  }
}

/** A text of 4,096 words of six letters: enough pairs to merge for every vocabulary here. */
function words(characters) {
  let state = 7;
  const letter = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return String.fromCharCode(97 + ((state >>> 16) % 26));
  };
  const list = Array.from({ length: 4096 }, () => Array.from({ length: 6 }, letter).join(""));
  const out = [];
  for (const id of chain(list.length)) {
    if (out.length * 7 >= characters) return out.join(" ");
    out.push(list[id]);
  }
}

/** A text of as many different characters. */
function characters(count) {
  // Chinese: blocks without gaps, and no character is another one's normal form.
  const common = 0x9fa6 - 0x4e00;
  const at = (index) => String.fromCodePoint(index < common ? 0x4e00 + index : 0x20000 + index - common);
  return Array.from({ length: count }, (_, index) => at(index)).join("");
}

/** Most ids that a tokenizer of pairs can have here. */
const mostPairs = 32_768;

/** The text and the tokenizer that result in a configuration's vocabulary size. */
export function textFor({ vocabulary }) {
  if (vocabulary > mostPairs) return { body: characters(vocabulary - 1), tokenizer: { kind: "char" } };
  if (vocabulary === 65) return { body: letters(200_000), tokenizer: { kind: "char" } };
  return { body: words(300_000), tokenizer: { kind: "bpe", vocabSize: vocabulary } };
}
