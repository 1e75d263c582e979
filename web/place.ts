// Which copy of the page this is. Several may lie in folders of one host, and a browser gives all of them the same storage
// and the same locks: each copy keeps its own apart by its folder.

/** The path of the page's folder, with a slash at its end. The worker is given it as it starts. */
let home = "/";

/** `path`: of the page, or of its folder. */
export function settleIn(path: string): string {
  home = path.replace(/[^/]*$/, "");
  return home;
}

export function homeFolder(): string {
  return home;
}

/** The name of a lock that is this copy's alone. */
export function lockName(name: string): string {
  return name + home.slice(0, -1);
}

/** Does something that only one tab of this copy may do at a time; waits for the others. */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  // Without https there are no locks, and no storage either.
  return "locks" in navigator ? navigator.locks.request(name, work) : work();
}
