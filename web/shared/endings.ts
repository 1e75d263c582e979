// Names exported files.
import type { ExportKind } from "./protocol";

/** What follows the model's name in a file name. */
export const endings: Record<ExportKind, string> = {
  safetensors: ".safetensors",
  huggingface: ".zip",
  "gguf-f16": ".f16.gguf",
  "gguf-q8": ".q8_0.gguf",
  "modelfile-f16": ".f16.Modelfile",
  "modelfile-q8": ".q8_0.Modelfile",
  adapter: ".adapter.zip",
  html: ".html",
  "html-q8": ".q8_0.html",
};
