// Files that leave the page, for the person's disk or for another program.
import type { Problem } from "../shared/errors";

export const DEFAULT_NAME = "lorito";

/** A name that is safe in any file system, and reads as it is: what else a person typed becomes a hyphen. */
export function fileName(name: string): string {
  return (
    name
      .trim()
      .replace(/[\\/:*?"<>|\s\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/g, "-")
      .replace(/^[-.]+|[-.]+$/g, "") || DEFAULT_NAME
  );
}

/** The types that share sheets know files by; others are bytes to them. */
const types: Record<string, string> = { html: "text/html", zip: "application/zip" };

function typed(content: BlobPart[], name: string): File {
  return new File(content, name, { type: types[name.slice(name.lastIndexOf(".") + 1)] ?? "application/octet-stream" });
}

/** Whether this system has a share sheet that takes files with this ending. */
export function canShare(ending: string): boolean {
  return navigator.canShare?.({ files: [typed([], DEFAULT_NAME + ending)] }) ?? false;
}

/**
 * Opens the share sheet. "again": packing took longer than a browser lets a page act on one press, so that the person has to
 * press once more.
 */
export async function share(file: Blob, name: string): Promise<"done" | "again"> {
  try {
    await navigator.share({ files: [typed([file], name)] });
    return "done";
  } catch (thrown) {
    const why = thrown instanceof DOMException ? thrown.name : "";
    if (why === "NotAllowedError") return "again";
    if (why === "AbortError") return "done"; // the person closed it
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
