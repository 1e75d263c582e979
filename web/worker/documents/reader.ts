// The entry point of the worker that reads one document. Other people's files come with whole programs in them, so it is a
// worker of its own: whatever a file does to it, the engine beside it and the text stay, and it can be ended at any time.
// Each reader is loaded when it is first needed.
import { type Problem, problemOf, readingFile } from "../../shared/errors";
import type { DocumentKind } from "../../shared/kinds";
import { part } from "../../shared/part";
import type { Answer, Order, Progress, Reader } from "./document";

const readers: Record<DocumentKind, () => Promise<Reader>> = {
  pdf: async () => (await import("./pdf")).readPdf,
  docx: async () => (await import("./docx")).readDocx,
  odt: async () => (await import("./odt")).readOdt,
  epub: async () => (await import("./epub")).readEpub,
  html: async () => (await import("./html")).readHtml,
  subtitles: async () => (await import("./subtitles")).readSubtitles,
  mail: async () => (await import("./mail")).readMail,
};

const say = (answer: Answer) => self.postMessage(answer);

self.addEventListener("message", ({ data }: MessageEvent<Order>) => void answer(data));

async function answer({ name, kind, file }: Order): Promise<void> {
  try {
    const read = await part(readers[kind]());
    // From here on the time counts.
    const progress = sometimes((part) => say({ part }));
    progress(0);
    const { data, leftOut } = await readingFile(name, () => read(name, file, progress));
    if (data.size === 0) throw { code: "no-text-in-file", name } satisfies Problem;
    say({ document: { data, leftOut: leftOut.filter(({ count }) => count > 0) } });
  } catch (thrown) {
    say({ problem: asProblem(name, thrown) });
  }
}

/** A large box has a letter in each fraction of a millisecond. */
function sometimes(report: Progress): Progress {
  let next = 0;
  return (part) => {
    const now = performance.now();
    if (now < next) return;
    next = now + 50;
    report(part);
  };
}

/** The beginning of a library's message, on one line. */
function brief(message: string): string {
  return message.replace(/\s+/g, " ").slice(0, 120);
}

/** What is wrong with a document, by its name: that it is an archive is nothing that a person has to know. */
function asProblem(name: string, thrown: unknown): Problem {
  if (thrown instanceof Error && !("code" in thrown))
    return { code: "document-damaged", name, reason: brief(thrown.message || thrown.name) };
  const problem = problemOf(thrown);
  switch (problem.code) {
    case "archive-damaged":
      return { code: "document-damaged", name, reason: problem.reason };
    case "archive-encrypted":
      return { code: "document-encrypted", name };
    case "file-missing":
      return { code: "document-damaged", name, reason: `${problem.name} is missing` };
    case "internal":
      return { code: "document-damaged", name, reason: problem.reason };
    default:
      return problem;
  }
}
