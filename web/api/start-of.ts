// Reads how a file begins, which tells an archive.
import { LoritoError } from "../shared/errors";

/** The first bytes of a file. */
export async function startOf(file: Blob, name: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.slice(0, 4).arrayBuffer());
  } catch {
    throw new LoritoError({ code: "file-unreadable", name });
  }
}
