// A saved model that writes beside the one that is open, which stays as it is: in a session of its own, on the processor.
import type { Session } from "lorito-wasm";
import type { GenerateOptions } from "../shared/protocol";
import { startOf } from "./download";
import { Guarded } from "./turns";
import { unknownIn, Writer } from "./writer";

/** The texts under way, for `stop`. */
const writers = new Set<Writer>();

export interface Listeners {
  piece(text: string): void;
  unknown(characters: string): void;
  /** Sees what is thrown in the session. */
  failed(thrown: unknown): Promise<void>;
}

/** The text that the model in `file` writes after a prompt; in the session that `start` starts, which nobody else has. */
export async function writeBeside(
  start: () => Promise<Session>,
  file: Blob,
  prompt: string,
  options: GenerateOptions,
  { piece, unknown, failed }: Listeners,
): Promise<string> {
  const session = await start();
  try {
    session.checkModelHeader(await startOf(file), file.size);
    session.importModel(new Uint8Array(await file.arrayBuffer()));
    const writer = new Writer(new Guarded(session, failed));
    writers.add(writer);
    try {
      return await writer.forPerson({
        begin: async (open) => {
          await open.beginGeneration(prompt, options);
          const characters = unknownIn(open, [prompt]);
          if (characters) unknown(characters);
        },
        piece,
      });
    } finally {
      writers.delete(writer);
    }
  } finally {
    session.free();
  }
}

export function stopBeside(): void {
  for (const writer of writers) writer.stop();
}
