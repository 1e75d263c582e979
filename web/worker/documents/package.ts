// Unpacks the parts of documents that are ZIP archives, within limits.
import { Archive } from "../archive";

/** Largest total size of a document's unpacked text in bytes. The Bible has 4 MB. */
const largest = 2 ** 27;

export class Package {
  readonly #archive: Archive;
  #unpacked = 0;

  private constructor(archive: Archive) {
    this.#archive = archive;
  }

  static async open(file: Blob): Promise<Package> {
    return new Package(await Archive.open(file));
  }

  get names(): string[] {
    return this.#archive.names;
  }

  has(name: string): boolean {
    return this.#archive.names.includes(name);
  }

  async bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    this.#unpacked += this.#archive.sizeOf(name);
    if (this.#unpacked > largest) throw new Error(`it unpacks to more than ${largest} bytes`);
    return new Uint8Array(await (await this.#archive.unpack(name)).arrayBuffer());
  }

  /** A part that is XML; its encoding is UTF-8 or UTF-16. */
  async xml(name: string): Promise<string> {
    const bytes = await this.bytes(name);
    const encoding = bytes[0] === 0xff ? "utf-16le" : bytes[0] === 0xfe ? "utf-16be" : "utf-8";
    return new TextDecoder(encoding).decode(bytes);
  }
}
