// Checks data in Thrift's compact protocol (thrift-compact-protocol.md of Apache Thrift) before hyparquet reads it, which
// creates an object for every struct and an array for every list, however many and however deeply nested.
// The check itself allocates nothing.

/** Largest number of structs and list elements: more than the largest readable table has. */
const most = 2 ** 22;
/** Deepest nesting of structs and lists. Parquet's own have six levels. */
const deepest = 32;

/** Throws an Error unless the struct at `at` is valid and ends within `view`; returns its end. */
export function checkThrift(view: DataView, at: number): number {
  let offset = at;
  let count = 0;
  const byte = () => {
    if (offset >= view.byteLength) throw new Error("a description is cut off");
    return view.getUint8(offset++);
  };
  const number = () => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const next = byte();
      value += (next & 127) * 2 ** shift;
      if (next < 128) return value;
    }
    throw new Error("a number has too many digits");
  };
  const skip = (length: number) => {
    offset += length;
    if (offset > view.byteLength) throw new Error("a description is cut off");
  };
  const enter = (depth: number, more: number) => {
    count += more;
    if (depth > deepest) throw new Error("its description goes too deep");
    if (count > most) throw new Error(`its description has more than ${most} parts`);
  };
  const value = (kind: number, depth: number, inList: boolean) => {
    switch (kind) {
      case 1:
      case 2:
        return inList ? skip(1) : undefined;
      case 3:
        return skip(1);
      case 4:
      case 5:
      case 6:
        return void number();
      case 7:
        return skip(8);
      case 8:
        return skip(number());
      case 9: {
        const head = byte();
        const length = head >> 4 === 15 ? number() : head >> 4;
        enter(depth, length);
        for (let index = 0; index < length; index++) value(head & 15, depth + 1, true);
        return;
      }
      case 12:
        return struct(depth);
      default:
        throw new Error(`a value is of the unknown kind ${kind}`);
    }
  };
  const struct = (depth: number) => {
    enter(depth, 1);
    for (;;) {
      const head = byte();
      if ((head & 15) === 0) return;
      if (head >> 4 === 0) number();
      value(head & 15, depth + 1, false);
    }
  };
  struct(0);
  return offset;
}
