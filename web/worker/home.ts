// Which copy of the page this worker belongs to: its own address does not say so, as it starts from a blob.
import { homeOf } from "../shared/home";

let home = "/";

/** `path`: of the page, or of its folder. The page says it when it starts the worker. */
export function settleIn(path: string): void {
  home = homeOf(path);
}

export function homeFolder(): string {
  return home;
}

/** Does something that only one tab of this copy may do at a time; waits for the others. */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  // Without https there are no locks, and no storage either.
  return "locks" in navigator ? navigator.locks.request(name, work) : work();
}
