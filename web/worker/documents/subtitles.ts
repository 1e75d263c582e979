// Reads subtitles, SubRip's and WebVTT (W3C): what is said, without numbers, times and settings.
import type { Document } from "./document";

const time = /^[ \t]*(\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}[ \t]*-->/;
const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", nbsp: " ", lrm: "", rlm: "" };

export async function readSubtitles(_name: string, file: Blob): Promise<Document> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const wide =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "";
  // One character for each byte: the crate finds the encoding, and everything that is left out here is ASCII.
  const { text, cues } = spokenIn(wide ? new TextDecoder(wide).decode(bytes) : binary(bytes));
  const data = new Blob([wide ? text : Uint8Array.from(text, (letter) => letter.charCodeAt(0))]);
  return { data, leftOut: [{ kind: "times", count: cues }] };
}

function binary(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 2 ** 15) text += String.fromCharCode(...bytes.subarray(at, at + 2 ** 15));
  return text.replace(/^\xef\xbb\xbf/, "");
}

function spokenIn(text: string): { text: string; cues: number } {
  const spoken: string[] = [];
  let cue: string[] | undefined;
  let cues = 0;
  const end = () => {
    if (cue && cue.length > 0) spoken.push(cue.join(" ").replaceAll(" \n", "\n"));
    cue = undefined;
  };
  for (const line of text.split(/\r\n|\r|\n/)) {
    if (time.test(line)) {
      // Some files lack the empty line before the next number.
      if (/^\d+$/.test(cue?.at(-1) ?? "")) cue?.pop();
      end();
      cue = [];
      cues += 1;
    } else if (/^[ \t]*$/.test(line)) {
      end();
    } else if (cue) {
      const words = bare(line);
      // Each speaker has a line.
      if (words !== "") cue.push(/^[-\u2013\u2014]/.test(words) && cue.length > 0 ? `\n${words}` : words);
    }
    // Between cues there are their numbers, notes and styles.
  }
  end();
  return { text: spoken.join("\n"), cues };
}

/** A line without marks of voices, fonts and places. */
function bare(line: string): string {
  return line
    .replace(/<\/?[a-zA-Z0-9][^<>]*>|\{\\[^{}]*\}/g, "")
    .replace(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole)
    .replace(/[ \t]+/g, " ")
    .replace(/^ | $/g, "");
}
