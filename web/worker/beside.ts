// Generates text with a saved model, in a separate session on the CPU, so that the open model does not change.
import type { Session } from "lorito-wasm";
import type { GenerateOptions } from "../shared/protocol";
import { startOf } from "./download";
import { Guarded } from "./turns";
import { unknownIn, Writer } from "./writer";

/** The generations in progress, for `stop`. */
const writers = new Set<Writer>();

export interface Listeners {
  piece(text: string): void;
  unknown(characters: string): void;
  /** Called with errors thrown in the session. */
  failed(thrown: unknown): Promise<void>;
}

/** Generates text after a prompt with the model in `file`, in a new session from `start`. */
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
