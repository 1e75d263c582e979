// Stores which copy of the page this worker belongs to: its own address does not contain it, as it starts from a blob.

let home = "/";

/** `folder`: the path of the page's folder, which the page passes at the start. */
export function useHome(folder: string): void {
  home = folder;
}

export function homeFolder(): string {
  return home;
}

/** Does work that only one tab of this copy may do at a time; waits for the others. */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  // Without https the browser has neither locks nor storage.
  return "locks" in navigator ? navigator.locks.request(name, work) : work();
}
