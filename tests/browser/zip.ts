// Creates ZIP archives for tests: valid ones, and ones with false entries.
import { crc32, deflateRawSync } from "node:zlib";

/** False fields of an archive's entry. */
export interface Lie {
  size?: number;
  flags?: number;
  crc?: number;
  offset?: number;
  /** The compression method: 8 is Deflate. */
  method?: number;
  /** Uses 8-byte fields for sizes and offset, like archives of more than 4 GB. */
  zip64?: boolean;
}

/** An archive of deflated files. */
export function zip(entries: { name: string; buffer: Buffer; lie?: Lie }[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, buffer, lie = {} } of entries) {
    const packed = lie.method === 0 ? buffer : deflateRawSync(buffer);
    const fixed = Buffer.alloc(26);
    fixed.writeUInt16LE(20, 0);
    fixed.writeUInt16LE(lie.flags ?? 0, 2);
    fixed.writeUInt16LE(lie.method ?? 8, 4);
    fixed.writeUInt32LE(lie.crc ?? crc32(buffer), 10);
    fixed.writeUInt32LE(packed.length, 14);
    fixed.writeUInt32LE(lie.zip64 ? buffer.length : (lie.size ?? buffer.length), 18);
    fixed.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), fixed, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(lie.offset ?? at, 10);
    const more = Buffer.alloc(lie.zip64 ? 20 : 0);
    const inList = Buffer.from(fixed);
    if (lie.zip64) {
      more.writeUInt16LE(1, 0);
      more.writeUInt16LE(16, 2);
      more.writeBigUInt64LE(BigInt(lie.size ?? buffer.length), 4);
      more.writeBigUInt64LE(BigInt(packed.length), 12);
      inList.fill(255, 14, 22);
      inList.writeUInt16LE(more.length, 24);
    }
    directory.push(Buffer.from("PK\x01\x02\x14\x00"), inList, rest, Buffer.from(name), more);
    parts.push(local);
    at += local.length;
  }
  const records = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("PK\x05\x06", 0, "latin1");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(records.length, 12);
  end.writeUInt32LE(at, 16);
  return Buffer.concat([...parts, records, end]);
}
