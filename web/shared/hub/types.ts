// Types of hub repositories, datasets and files that page and worker share. Types only.

/** A repository on a hub. */
export interface HubPlace {
  /** The hub's address, without a trailing slash. */
  hub: string;
  type: "model" | "dataset";
  /** "owner/name", or only "name" for the oldest repositories. */
  name: string;
  /** A branch, a tag or a commit. */
  revision: string;
}

/** A file of a repository. */
export interface HubFile {
  path: string;
  bytes: number;
  /** SHA-256 of a large file; git's SHA-1 of any other. */
  hash: string;
}

/** One table of a dataset: its parts, in order. */
export interface HubTable {
  /** The dataset's configuration, "default" if it has only one. */
  config: string;
  /** "train", "validation", "test", … */
  split: string;
  /** Whether the hub converted only the beginning of the split, as it does for large ones. */
  isPartial: boolean;
  files: HubFile[];
}

export interface HubDataset {
  place: HubPlace;
  /** The commit of the tables' files. */
  commit: string;
  tables: HubTable[];
}

/** A repository's files in the browser's storage. */
export interface KeptRepo {
  /** Its key in the storage. */
  key: string;
  place: HubPlace;
  /** Bytes stored, and bytes in total. */
  bytes: number;
  total: number;
  /** Milliseconds since 1970. */
  modified: number;
}
