// Implements the calls about answers from documents: their text, and the room for passages in a prompt.
import { readingFile } from "../../shared/errors";
import { mostSearched } from "../../shared/passages";
import type { WorkerApi } from "../../shared/protocol";
import { engine, underWay } from "../engine";
import { readText } from "./texts";

export const documents = {
  documentsOf: (index, limit) => engine().session.use((session) => session.documentsOf(index, limit)),

  documentsIn: (call, name, data) =>
    underWay.watch(call, (watch) =>
      engine().files.run(() =>
        readingFile(name, () => readText(watch, name, data, {}, (session) => session.takeFile(mostSearched))),
      ),
    ),

  roomBeside: (messages, maxTokens) => engine().session.use((session) => session.roomBeside(messages, maxTokens)),
} satisfies Partial<WorkerApi>;
