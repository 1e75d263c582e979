// Names of functions in the wasm, as Rust mangles them.

const escapes = { SP: "@", BP: "*", RF: "&", LT: "<", GT: ">", LP: "(", RP: ")", C: "," };

/**
 * The path that a name stands for (Rust's legacy mangling, as rustc-demangle reads it), with its hash. Other names, the
 * standard library's among them, stay as they are.
 */
export function demangled(name) {
  if (!/^_ZN\d/.test(name)) return name;
  const pieces = [];
  let rest = name.slice(3);
  for (let size = /^\d+/.exec(rest); size; size = /^\d+/.exec(rest)) {
    const start = size[0].length;
    const end = start + Number(size[0]);
    pieces.push(rest.slice(start, end).replace(/^_(?=\$)/, ""));
    rest = rest.slice(end);
  }
  const plain = (piece) =>
    piece
      .replace(/\$(?:u([0-9a-f]+)|([A-Z]{1,2}))\$/g, (all, code, short) =>
        code ? String.fromCodePoint(Number.parseInt(code, 16)) : (escapes[short] ?? all),
      )
      .replaceAll("..", "::");
  return pieces.map(plain).join("::") + rest.slice(1);
}

/** Whether a path begins with one of these, the type of an implementation included. */
const beginsWith = (path, beginnings) => {
  const bare = path.replace(/^[<&]+(?:mut )?/, "");
  return beginnings.some((beginning) => bare.startsWith(beginning));
};

/** Whether a function's name says that it belongs to a part. */
export function belongs(name, { beginnings, mentions, always }) {
  const path = demangled(name);
  const named = beginsWith(path, beginnings) || mentions.some((mention) => path.includes(mention));
  return named && !beginsWith(path, always);
}

/** Those of a part's beginnings with which no name begins. */
export const idleBeginnings = (names, { beginnings }) => {
  const paths = names.map(demangled);
  return beginnings.filter((beginning) => !paths.some((path) => beginsWith(path, [beginning])));
};
