// Implements the calls about texts: reading, removing, what is held back, and the tokenizer.
import type { Session } from "lorito-wasm";
import { readingFile } from "../../shared/errors";
import { part } from "../../shared/part";
import type { Reading, WorkerApi } from "../../shared/protocol";
import { current, engine, exclusively, underWay } from "../engine";
import { reading } from "../reading";
import { macrotask } from "../turns";
import type { Watch } from "../under-way";

/** Reads a file piece by piece; `close` takes its text. */
export async function readText<T>(
  watch: Watch,
  name: string,
  given: Blob | Blob[],
  { field: wanted, chat, encoding }: Reading,
  close: (session: Session) => T,
): Promise<T> {
  const { session } = engine();
  if (!/\.(txt|md)$/i.test(name)) await current.deferred?.load();
  const { field, pieces, size, expected, leftOut } = await reading(session, name, given, wanted, watch);
  await session.use((open) => open.openFile(name, expected, field, chat, encoding));
  try {
    for (const { kind, count } of leftOut) await session.use((open) => open.noteLeftOut(kind, count));
    for await (const { bytes, part } of pieces) {
      await session.use((open) => open.pushBytes(bytes));
      watch.progress(Math.round(part * size), size);
      await macrotask();
    }
    return await session.use(close);
  } catch (thrown) {
    await session.use((open) => open.dropFile());
    throw thrown;
  }
}

export const texts = {
  namesIn: async (archive) => (await part(import("../archive"))).Archive.open(archive).then(({ names }) => names),

  textsIn: (call, name, given) =>
    underWay.watch(call, async ({ signal }) => {
      const [{ Archive }, { textsOf }] = await part(Promise.all([import("../archive"), import("../archive-texts")]));
      const isChat = (start: string) => engine().session.use((session) => session.looksLikeChat(start));
      return readingFile(name, async () => textsOf(await Archive.open(given, signal), name, isChat));
    }),

  addText: (call, name, data, reading, replaces) =>
    underWay.watch(call, (watch) =>
      engine().files.run(() =>
        readingFile(name, async () => {
          const summary = await readText(watch, name, data, reading, (session) => session.closeFile(replaces));
          engine().saver.textChanged();
          return summary;
        }),
      ),
    ),

  removeText: async (index) => {
    const { session, saver } = engine();
    saver.textChanged();
    return session.use((open) => open.removeSource(index));
  },

  clearText: async () => {
    const { session, saver } = engine();
    saver.textChanged();
    return session.use((open) => {
      open.clearText();
      return open.textSummary();
    });
  },

  holdBack: async (what) => {
    const { session, saver } = engine();
    saver.textChanged();
    return session.use((open) => open.holdBack(what));
  },

  trainTokenizer: async (kind, vocabulary) => {
    if (kind === "bpe") await current.deferred?.load();
    const summary = await exclusively((session) => session.trainTokenizer(kind, vocabulary));
    engine().saver.textChanged();
    return summary;
  },
} satisfies Partial<WorkerApi>;
