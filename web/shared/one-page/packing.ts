// Encodes bytes as text for a <script> in a UTF-8 page, and decodes them. Runs in workers and on pages.
//
// Base64 would make a model a third longer. Here numbers are first sorted into planes (all their first bytes, then all
// their second ones, ...): gzip then finds the few exponents that weights have, and f32 weights come to about five
// sixths. The result is written seven bits a character, in ASCII, so that a page has about as many bytes as the model.

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of the weights that are split into planes together. */
const block = 2 ** 18;

/**
 * The characters that an HTML parser alters: NUL becomes U+FFFD, a carriage return a line feed, and "<" may end the script.
 * In UTF-8 a character from U+0080 on takes two bytes, so one encodes such a character and the one after it.
 */
const unfit = [0, 13, 60];
const places = new Int8Array(128).fill(-1);
unfit.forEach((value, place) => {
  places[value] = place;
});
/** U+0080 + 128 * index + value; at the end of the data, with no value following, this + index. */
const alone = 128 * (1 + unfit.length);

/** `numberBytes`: bytes per number; 1 for data that are not numbers. */
export function packed(bytes: ReadableStream<Bytes>, numberBytes: number): ReadableStream<Bytes> {
  return bytes
    .pipeThrough(inBlocks((part) => sorted(part, numberBytes)))
    .pipeThrough(new CompressionStream("gzip"))
    .pipeThrough(inSevenBits());
}

/** Rejects if the text is damaged, which gzip's checksum detects. */
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

/** Splits a stream into blocks of one length; the last one is shorter. */
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
  /** The index of an escaped character whose successor is still missing. */
  let waiting = -1;
  let text = new Uint8Array();
  let at = 0;
  const pair = (code: number) => {
    text[at++] = 0xc0 | (code >> 6);
    text[at++] = 0x80 | (code & 63);
    waiting = -1;
  };
  const put = (value: number) => {
    if (waiting >= 0) pair(128 * (1 + waiting) + value);
    else if ((places[value] as number) >= 0) waiting = places[value] as number;
    else text[at++] = value;
  };
  return new TransformStream({
    transform(chunk, out) {
      text = new Uint8Array(Math.ceil((8 * chunk.length + bits) / 7) + 1);
      at = 0;
      for (const byte of chunk) {
        held = (held << 8) | byte;
        for (bits += 8; bits >= 7; ) {
          bits -= 7;
          put((held >> bits) & 127);
        }
        held &= (1 << bits) - 1;
      }
      out.enqueue(text.subarray(0, at));
    },
    flush(out) {
      text = new Uint8Array(2);
      at = 0;
      if (bits > 0) put((held << (7 - bits)) & 127);
      if (waiting >= 0) pair(alone + waiting);
      out.enqueue(text.subarray(0, at));
    },
  });
}

function inEightBits(): TransformStream<Bytes, Bytes> {
  let bits = 0;
  let held = 0;
  let lead = 0;
  let bytes = new Uint8Array();
  let at = 0;
  const take = (value: number) => {
    held = (held << 7) | value;
    bits += 7;
    if (bits < 8) return;
    bits -= 8;
    bytes[at++] = held >> bits;
    held &= (1 << bits) - 1;
  };
  return new TransformStream({
    transform(chunk, out) {
      bytes = new Uint8Array(chunk.length + 2);
      at = 0;
      for (const byte of chunk) {
        if (byte >= 0xc0) lead = byte & 31;
        else if (byte >= 0x80) {
          const code = (lead << 6) | (byte & 63);
          if (code >= alone) take(unfit[code - alone] ?? 0);
          else {
            take(unfit[(code >> 7) - 1] ?? 0);
            take(code & 127);
          }
        }
        // The encoder writes no carriage return: a program that converts line ends has added it.
        else if (byte !== 13) take(byte);
      }
      out.enqueue(bytes.subarray(0, at));
    },
  });
}
