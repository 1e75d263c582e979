// What a dispatch has to do, from the sizes of its buffers and the numbers that it is given.

const sizes = { f32: 4, u32: 4, i32: 4, f16: 2 };

/**
 * A shader's buffers by binding: bytes of an element, and the places that read and write elements; Infinity if any is in a loop. The
 * last buffer has the sizes.
 */
export function bindingsOf(code) {
  const bindings = [];
  const lines = withLoops(code);
  const declared = /@group\(0\) @binding\((\d+)\) var<storage, (\w+)> (\w+): (?:array<(?:vec(\d)<)?(\w+)>?>|(\w+));/g;
  for (const [, at, access, name, lanes = 1, type] of code.matchAll(declared)) {
    const [, alias = name] = code.match(new RegExp(`let (\\w+) = &${name};`)) ?? [];
    const elements = code.matchAll(new RegExp(`let (\\w+) = &(?:\\(\\*${alias}\\)|${alias})\\[`, "g"));
    const pointers = new Set([...elements].map(([, pointer]) => pointer));
    let [reads, writes] = [0, 0];
    for (const { line, inLoop } of lines) {
      const [, stored] = line.match(/^\s*\*(\w+) = /) ?? [];
      if (pointers.has(stored)) writes += inLoop ? Infinity : 1;
      const loaded = [...line.matchAll(/\*(\w+)/g)].filter(([, pointer]) => pointers.has(pointer)).length;
      const more = loaded - (pointers.has(stored) ? 1 : 0);
      if (more > 0) reads += inLoop ? Infinity : more;
    }
    if (access === "read" && reads === 0) reads = Infinity;
    bindings[at] = {
      element: type === undefined ? 0 : lanes * sizes[type],
      number: type && sizes[type],
      reads,
      writes,
    };
  }
  return bindings;
}

/** The lines of a shader, and whether they are inside a loop. */
function withLoops(code) {
  const blocks = [];
  return code.split("\n").map((line) => {
    if (/^\s*\}/.test(line)) blocks.pop();
    const inLoop = blocks.includes(true);
    if (/\{\s*$/.test(line)) blocks.push(/^\s*(for|loop|while)\b/.test(line));
    return { line, inLoop };
  });
}

/**
 * FLOP of a dispatch, and the bytes that it has to read and write: each buffer once, or what its threads touch if that is less. FLOP
 * are counted for products and attention only; all else is done while bytes are moved.
 */
export function workDone({ name, threads, bindings }, { groups, bindings: bound }, configuration) {
  const started = threads * groups.reduce((all, side) => all * side);
  let bytes = 0;
  for (const [at, { element, reads, writes }] of bindings.entries()) {
    const touched = (places) => (element === 0 ? Infinity : places * element * started);
    for (const places of [reads, writes]) if (places > 0) bytes += Math.min(bound[at].size, touched(places));
  }
  return { flop: flopOf(name, bindings, bound, configuration), bytes };
}

function flopOf(name, bindings, bound, { context }) {
  const numbers = bound.slice(0, -1).map(({ size }, at) => size / bindings[at].number);
  if (name.startsWith("product_kernel")) return 2 * rowsColumnsInner(numbers, bound.at(-1).written);
  // Products of attention, each over half of the square of the context; those of the scores are computed once more backward.
  const [, products, wide] =
    [
      [/^attention_/, 2, 1],
      [/^query_gradient/, 3, 1],
      [/^key_gradient/, 4, 1],
    ].find(([pattern]) => pattern.test(name)) ?? [];
  return products ? products * 2 * numbers[wide] * (context / 2) : 0;
}

/**
 * The rows, columns and inner length of a product, multiplied: three of the numbers in `written` that are the sides of the first two
 * buffers.
 */
function rowsColumnsInner([left, right, ...others], written) {
  const given = [...new Set(new Uint32Array(written.buffer, 0, written.length >> 2))].filter((number) => number > 0);
  // Rows of some buffers end with padding.
  const about = (number, of) => number <= of && number > 0.99 * of;
  const most = Math.max(...others);
  for (const inner of given) {
    const rows = given.find((rows) => about(rows * inner, left));
    const columns = given.find((columns) => about(columns * inner, right));
    if (rows && columns && rows * columns <= most) return rows * columns * inner;
  }
  return Math.sqrt(left * right * most);
}
