// Bytes as text that can stand in a <script> of a page in UTF-8, and back. Runs in workers and on pages.
//
// Base64 would make a model a third longer. Here numbers are first sorted into planes (all their first bytes, then all
// their second ones, ...): gzip then finds the few exponents that weights have, and f32 weights come to about five
// sixths. The result is written seven bits a character, in ASCII, so that a page has about as many bytes as the model.

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of the weights that are sorted together. */
const block = 2 ** 18;

/**
 * What HTML would not leave as it is: NUL becomes U+FFFD, a carriage return a line feed, and "<" may end the script. The
 * character 128 places further takes their place; its last seven bits are the same.
 */
const unfit = new Set([0, 13, 60]);
/** In UTF-8 those three begin with this byte. */
const lead = 0xc2;

/** `numberBytes`: how many bytes a number has; 1 where they are none. */
export function packed(bytes: ReadableStream<Bytes>, numberBytes: number): ReadableStream<Bytes> {
  return bytes
    .pipeThrough(inBlocks((part) => sorted(part, numberBytes)))
    .pipeThrough(new CompressionStream("gzip"))
    .pipeThrough(inSevenBits());
}

/** Rejects where the text is damaged: gzip has a checksum. */
export function unpacked(text: ReadableStream<Bytes>, numberBytes: number): ReadableStream<Bytes> {
  return text
    .pipeThrough(inEightBits())
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(inBlocks((part) => unsorted(part, numberBytes)));
}

function sorted(part: Bytes, numberBytes: number): Bytes {
  const planes = new Uint8Array(part.length);
  let at = 0;
  for (let plane = 0; plane < numberBytes; plane++)
    for (let from = plane; from < part.length; from += numberBytes) planes[at++] = part[from] as number;
  return planes;
}

function unsorted(planes: Bytes, numberBytes: number): Bytes {
  const part = new Uint8Array(planes.length);
  let at = 0;
  for (let plane = 0; plane < numberBytes; plane++)
    for (let to = plane; to < part.length; to += numberBytes) part[to] = planes[at++] as number;
  return part;
}

/** Hands on blocks of one length, and what is left at the end. */
function inBlocks(change: (part: Bytes) => Bytes): TransformStream<Bytes, Bytes> {
  const held = new Uint8Array(block);
  let length = 0;
  return new TransformStream({
    transform(chunk, out) {
      for (let at = 0; at < chunk.length; ) {
        const taken = chunk.subarray(at, at + block - length);
        held.set(taken, length);
        length += taken.length;
        at += taken.length;
        if (length < block) return;
        out.enqueue(change(held));
        length = 0;
      }
    },
    flush: (out) => out.enqueue(change(held.subarray(0, length))),
  });
}

function inSevenBits(): TransformStream<Bytes, Bytes> {
  let bits = 0;
  let held = 0;
  return new TransformStream({
    transform(chunk, out) {
      // At most two bytes for each seven bits of what is held and what comes.
      const text = new Uint8Array(2 * Math.ceil((8 * chunk.length + bits) / 7));
      let at = 0;
      for (const byte of chunk) {
        held = (held << 8) | byte;
        for (bits += 8; bits >= 7; ) {
          bits -= 7;
          at = put(text, at, (held >> bits) & 127);
        }
        held &= (1 << bits) - 1;
      }
      out.enqueue(text.subarray(0, at));
    },
    flush(out) {
      const text = new Uint8Array(2);
      if (bits > 0) out.enqueue(text.subarray(0, put(text, 0, (held << (7 - bits)) & 127)));
    },
  });
}

function put(text: Bytes, at: number, value: number): number {
  if (unfit.has(value)) {
    text[at++] = lead;
    text[at++] = value | 128;
  } else text[at++] = value;
  return at;
}

function inEightBits(): TransformStream<Bytes, Bytes> {
  let bits = 0;
  let held = 0;
  return new TransformStream({
    transform(chunk, out) {
      const bytes = new Uint8Array(Math.ceil((7 * chunk.length + bits) / 8));
      let at = 0;
      for (const byte of chunk) {
        // A carriage return was never written: a program that mends the ends of lines has put it there.
        if (byte === lead || byte === 13) continue;
        held = (held << 7) | (byte & 127);
        bits += 7;
        if (bits < 8) continue;
        bits -= 8;
        bytes[at++] = held >> bits;
        held &= (1 << bits) - 1;
      }
      out.enqueue(bytes.subarray(0, at));
    },
  });
}
