// Identifies this copy of the page, by what keeps its storage apart. Several copies may lie in folders of one host, and a browser gives all of them the same
// storage and locks: each copy keeps its own apart by the path of its folder, its home.

/** The path of the folder that the page at `path` lies in, with a slash at its end. */
export function homeOf(path: string): string {
  return path.replace(/[^/]*$/, "");
}

/** The name of a lock that only the copy at `home` uses. */
export function lockName(home: string, name: string): string {
  return name + home.slice(0, -1);
}
