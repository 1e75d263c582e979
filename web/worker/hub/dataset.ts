// A dataset by its name on the hub: its tables as Parquet files. The hub makes such files of every dataset that it can
// read, on a branch of their own; where it has made none, those that the dataset itself has.
import { type Problem, problemOf } from "../../shared/errors";
import { CONVERTED, hostOf } from "../../shared/hub/place";
import type { HubDataset, HubPlace } from "../../shared/hub/types";
import { commitOf, filesOf } from "./ask";
import { tablesOf } from "./tables";

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
