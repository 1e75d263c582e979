// Names files that the user downloads, and shares files with other programs.
import type { Problem } from "../shared/errors";

export const DEFAULT_NAME = "lorito";

/** A file name that is valid on any system: each run of other characters becomes a hyphen. */
export function fileName(name: string): string {
  return (
    name
      .trim()
      .replace(/[\\/:*?"<>|\s\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, "-")
      .replace(/^[-.]+|[-.]+$/g, "") || DEFAULT_NAME
  );
}

/** The MIME types that share sheets need; other files are shared as bytes. */
const types: Record<string, string> = { html: "text/html", zip: "application/zip" };

function typed(content: BlobPart[], name: string): File {
  return new File(content, name, { type: types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream" });
}

/** Whether this system has a share sheet for files with this extension. */
export function canShare(ending: string): boolean {
  return navigator.canShare?.({ files: [typed([], DEFAULT_NAME + ending)] }) ?? false;
}

/**
 * Opens the share sheet. "again": packing took so long that the browser no longer counts the user's click, and a second one
 * is needed.
 */
export async function share(file: Blob, name: string): Promise<"done" | "again"> {
  try {
    await navigator.share({ files: [typed([file], name)] });
    return "done";
  } catch (thrown) {
    const why = thrown instanceof DOMException ? thrown.name : "";
    if (why === "NotAllowedError") return "again";
    if (why === "AbortError") return "done"; // the user closed it
    throw { code: "share-failed", name } satisfies Problem;
  }
}

export function saveFile(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
