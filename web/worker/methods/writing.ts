// Implements the calls about what the model writes: text, chat, what of it is copied, and the look inside.
import { transfer } from "comlink";
import { type LeftOut, Session } from "lorito-wasm";
import type { Problem } from "../../shared/errors";
import { part } from "../../shared/part";
import type { WorkerApi } from "../../shared/protocol";
import { searched } from "../copied";
import { current, emit, engine, refuseWhileTraining, underWay } from "../engine";
import { watchForEnd } from "../lost";
import { machine } from "../machine";
import * as storage from "../storage";
import { macrotask } from "../turns";
import { unknownIn } from "../writer";

/** The module that generates text with saved models beside the open one, once it has been requested. */
let beside: Promise<typeof import("../beside")> | undefined;

/** Reports the characters of a prompt that the model has no token for. */
function reportUnknown(call: number, session: Session, texts: string[]): void {
  const characters = unknownIn(session, texts);
  if (characters) emit({ event: "unknown", call, characters });
}

export const writing = {
  generate: (call, prompt, options) =>
    engine().writer.forPerson({
      begin: async (session) => {
        if (typeof prompt !== "string") return session.beginGenerationAfter(prompt, options);
        await session.beginGeneration(prompt, options);
        reportUnknown(call, session, [prompt]);
      },
      piece: (piece) => emit({ event: "piece", call, piece }),
    }),

  chat: (call, messages, options) => {
    const tell = (leftOut: LeftOut) => emit({ event: "left-out", call, leftOut });
    return engine().writer.forPerson({
      begin: async (session) => {
        tell(await session.beginChat(messages, options));
        const words = messages.map(({ content }) => content);
        reportUnknown(call, session, words);
      },
      piece: (piece) => emit({ event: "piece", call, piece }),
      end: (session) => tell(session.leftOut()),
    });
  },

  stopWriting: async () => {
    current.running?.writer.stop();
    (await beside)?.stopBeside();
  },

  writeWith: async (call, name, prompt, options) => {
    refuseWhileTraining();
    const file = await storage.stored(storage.savedModelFile(name));
    beside ??= part(import("../beside"));
    const { writeBeside } = await beside;
    // The path of the crate's JavaScript is relative to this file.
    const start = () => Session.start("cpu", machine({ engine: "cpu", reason: "chosen" }));
    return writeBeside(start, file, prompt, options, {
      piece: (piece) => emit({ event: "piece", call, piece }),
      unknown: (characters) => emit({ event: "unknown", call, characters }),
      failed: watchForEnd,
    });
  },

  adapterLosses: (call) =>
    underWay.watch(call, async ({ signal }) => {
      refuseWhileTraining();
      const { session } = engine();
      const batches = await session.use((open) => open.beginComparison());
      for (let batch = 0; batch < batches; batch++) {
        await session.use((open) => open.compareBatch());
        await macrotask(); // lets a cancellation in
        if (signal.aborted) throw { code: "cancelled" } satisfies Problem;
      }
      return (await session.use((open) => open.finishComparison())) ?? undefined;
    }),

  embed: async (texts) => {
    const embeddings: Float32Array[] = [];
    for (const text of texts) {
      embeddings.push(await engine().session.use((session) => session.embed(text)));
      await macrotask(); // lets other calls in
    }
    return embeddings;
  },

  copied: (text) => searched(engine().session, (session) => session.findCopied(text)),

  mostLike: (text) => searched(engine().session, (session) => session.findNearest(text)),

  inspect: (prompt, written) =>
    engine().session.use(async (session) => {
      const inspection = await session.inspect(prompt, written);
      const attention = session.inspectedAttention();
      return transfer({ ...inspection, attention }, [attention.buffer]);
    }),

  tokenMap: () => engine().session.use((session) => session.tokenMap()),

  slowMotion: () => engine().session.use((session) => session.slowMotion()),
} satisfies Partial<WorkerApi>;
