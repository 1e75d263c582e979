// Detects one-page models by their first bytes (page.html).

const generator = '<meta name="generator" content="Lorito, one page, version 1"';

/** Bytes from the beginning of a file that `isOnePage` needs. */
export const beginning = 1024;

/** Whether a file with this beginning is a one-page model. */
export function isOnePage(start: Uint8Array): boolean {
  return new TextDecoder().decode(start.subarray(0, beginning)).includes(generator);
}
