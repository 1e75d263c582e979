// A look at what hyparquet is about to read as Thrift's compact protocol (thrift-compact-protocol.md of Apache Thrift):
// it makes an object of every struct and an array of every list, however many are announced, one in another without end.
// Nothing is made here.

/** Structs and members of lists: more than the largest table that can be read here has. */
const most = 2 ** 22;
/** Structs and lists one in the other. Parquet's own have six. */
const deepest = 32;

/** Throws an Error unless the struct from `at` on ends in `view` and can be read; returns where it ends. */
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
