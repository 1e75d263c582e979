// What page.html begins with.

const generator = '<meta name="generator" content="Lorito, one page, version 1"';

/** How much of a file's beginning `isOnePage` needs. */
export const beginning = 1024;

/** Whether a file that begins so is a page with a model in it. */
export function isOnePage(start: Uint8Array): boolean {
  return new TextDecoder().decode(start.subarray(0, beginning)).includes(generator);
}
