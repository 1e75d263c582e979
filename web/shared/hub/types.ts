// What is said of repositories on the hub, between the page and the worker. Types only.

/** A repository on a hub, as a person names it. */
export interface HubPlace {
  /** The hub's address, without a slash at its end. */
  hub: string;
  type: "model" | "dataset";
  /** "owner/name", or a bare "name" as the oldest repositories have. */
  name: string;
  /** A branch, a tag or a commit. */
  revision: string;
}

/** A file of a repository. */
export interface HubFile {
  path: string;
  bytes: number;
  /** SHA-256 of a large file; SHA-1 that git has of any other. */
  hash: string;
}

/** One table of a dataset: its parts, in order. */
export interface HubTable {
  /** The dataset's variant, "default" where it has one only. */
  config: string;
  /** "train", "validation", "test", … */
  split: string;
  /** Whether the hub has made these files of only the beginning of the split, as it does of large ones. */
  isPartial: boolean;
  files: HubFile[];
}

export interface HubDataset {
  place: HubPlace;
  /** The commit that the tables are of. */
  commit: string;
  tables: HubTable[];
}

/** What is kept of a repository in the browser's storage. */
export interface KeptRepo {
  /** Its name in the storage. */
  key: string;
  place: HubPlace;
  /** Bytes that are here, of so many. */
  bytes: number;
  total: number;
  /** Milliseconds since 1970. */
  modified: number;
}
