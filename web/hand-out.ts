// Files that leave the page for the person's disk.

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

export function hand(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
