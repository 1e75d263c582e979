// Implements the exports of the model.
import type { Session } from "lorito-wasm";
import { endings } from "../../shared/endings";
import { part } from "../../shared/part";
import type { ExportKind, ExportWords, NamedFile, OnePageKind, WorkerApi } from "../../shared/protocol";
import { engine, files } from "../engine";

async function exportModel(kind: Exclude<ExportKind, OnePageKind>, name: string, words: ExportWords): Promise<Blob> {
  const content = await engine().session.use<string | Uint8Array>((session) => exported(session, kind, name, words));
  const type = kind === "huggingface" || kind === "adapter" ? "application/zip" : "application/octet-stream";
  return new Blob([content as BlobPart], { type });
}

function exported(
  session: Session,
  kind: Exclude<ExportKind, OnePageKind>,
  name: string,
  words: ExportWords,
): string | Promise<string | Uint8Array> {
  switch (kind) {
    case "safetensors":
      return session.exportSafetensors(name);
    case "huggingface":
      return session.exportHuggingFace(name, new Date().toISOString().slice(0, 10), words);
    case "gguf-f16":
      return session.exportGguf(name, "f16");
    case "gguf-q8":
      return session.exportGguf(name, "q8_0");
    case "modelfile-f16":
      return session.exportModelfile(name + endings["gguf-f16"], words);
    case "modelfile-q8":
      return session.exportModelfile(name + endings["gguf-q8"], words);
    case "adapter":
      return session.exportAdapter(name);
  }
}

export const exports = {
  exportModel,

  exportOnePage: async (kind, name, words) => {
    const { writeOnePage } = await part(import("../one-page/write"));
    const model = await engine().session.use((session) =>
      kind === "html" ? session.exportSafetensors(name) : session.exportSafetensorsIn8Bits(name),
    );
    return writeOnePage(name, words, new Blob([model as BlobPart]), files());
  },

  exportFolder: async (name, words) => {
    const { Archive } = await part(import("../archive"));
    const archive = await Archive.open(await exportModel("huggingface", name, words));
    const files: NamedFile[] = [];
    for (const inside of archive.names) files.push({ name: inside, data: await archive.unpack(inside) });
    return files;
  },
} satisfies Partial<WorkerApi>;
