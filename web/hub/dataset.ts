// A dataset by its name on the hub: its tables as Parquet files. The hub makes such files of every dataset that it can
// read, on a branch of their own; where it has made none, those that the dataset itself has. Runs in the worker.
import { type Problem, problemOf } from "../errors";
import { commitOf, filesOf } from "./ask";
import { CONVERTED, hostOf } from "./place";
import type { HubDataset, HubFile, HubPlace, HubTable } from "./types";

export async function datasetAt(place: HubPlace, signal: AbortSignal): Promise<HubDataset> {
  // The branch is of the newest state; another one was asked for by name.
  const branch = place.revision === "main" ? { ...place, revision: CONVERTED } : place;
  const found = await tablesAt(branch, signal);
  if (found.tables.length > 0) return found;
  const own = branch === place ? found : await tablesAt(place, signal);
  if (own.tables.length > 0) return own;
  throw { code: "hub-no-parquet", name: place.name, host: hostOf(place) } satisfies Problem;
}

async function tablesAt(place: HubPlace, signal: AbortSignal): Promise<HubDataset> {
  try {
    const commit = await commitOf(place, signal);
    return { place, commit, tables: tablesOf(await filesOf(place, commit, true, signal)) };
  } catch (thrown) {
    const { code } = problemOf(thrown);
    const isMissing = code === "hub-revision-not-found" || code === "hub-not-found";
    if (place.revision !== CONVERTED || !isMissing) throw thrown;
    return { place, commit: "", tables: [] };
  }
}

/** "config/split/0000.parquet" as the hub writes it; "data/split-00000-of-00002.parquet" and the like as people do. */
export function tablesOf(files: readonly HubFile[]): HubTable[] {
  const tables = new Map<string, HubTable>();
  const parquet = files.filter(({ path }) => path.endsWith(".parquet"));
  for (const file of parquet.sort((one, other) => (one.path < other.path ? -1 : 1))) {
    const folders = file.path.split("/");
    const name = (folders.pop() ?? "").slice(0, -".parquet".length);
    const isNumber = /^\d+$/.test(name);
    const split = (isNumber ? folders.pop() : name.replace(/-\d+-of-\d+$/, "")) || "train";
    const config = folders.filter((folder) => folder !== "data").join("/") || "default";
    const key = `${config}\n${split}`;
    const table = tables.get(key) ?? { config, split, files: [] };
    table.files.push(file);
    tables.set(key, table);
  }
  return [...tables.values()];
}
