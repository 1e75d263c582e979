// Groups the Parquet files of a dataset into tables, by their paths only. Anything that numbers the parts of a table is
// removed from its name: digits, "of N", hashes, and "key=value" folders as Hive and Spark write them.
import type { HubFile, HubTable } from "../../shared/hub/types";

/** "data/train-00000-of-00002-HASH": a common pattern, and the hub's former one. The text before the number is the split. */
const numbered = /^(.+?)[-_.]\d+-of-\d+(?:[-_.][0-9a-f]{6,64})?$/i;
const uuid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
/** Usual names of part files and folders, and of their compression. */
const pieces =
  /^(data|part|parts|chunk|chunks|shard|shards|batch|file|files|block|piece|output|parquet|of|tid|snappy|gzip|gz|zstd|lz4|brotli|c\d{3}|\d+)$/i;
const splits = /^(train|training|validation|valid|val|dev|test|testing|eval|evaluation)$/i;
const ofHub = /^([^/]+)\/([^/]+)\/\d{4}\.parquet$/;

const isHash = (word: string) => /^[0-9a-f]{8,64}$/i.test(word) && /\d/.test(word);
/** "train3", "part7": a word with a number. */
const numberedWord = /^([a-z]+)\d+$/i;
const natural = new Intl.Collator("en", { numeric: true });

interface Placed {
  file: HubFile;
  config: string;
  /** "" if the path names none. */
  split: string;
  /** The split without its digits. */
  alike: string;
  isPartial: boolean;
}

export function tablesOf(files: readonly HubFile[]): HubTable[] {
  const parquet = files.filter(({ path }) => path.endsWith(".parquet"));
  const placed = parquet.sort((one, other) => natural.compare(one.path, other.path)).map(placeOf);
  const kin = new Map<string, Set<string>>();
  const kinOf = ({ config, alike }: Placed) => JSON.stringify([config, alike]);
  for (const one of placed) kin.set(kinOf(one), (kin.get(kinOf(one)) ?? new Set()).add(one.split));
  const tables = new Map<string, HubTable>();
  for (const one of placed) {
    const { file, config, split, alike, isPartial } = one;
    // Files that differ only in digits are parts of one table, so the digits are not part of its name.
    const name = ((kin.get(kinOf(one))?.size ?? 0) > 1 ? alike : split) || "train";
    const key = JSON.stringify([config, name, isPartial]);
    const table = tables.get(key) ?? { config, split: name, isPartial, files: [] };
    table.files.push(file);
    tables.set(key, table);
  }
  return [...tables.values()];
}

function placeOf(file: HubFile): Placed {
  const [, ofConfig, ofSplit] = file.path.match(ofHub) ?? [];
  // On the hub's own branch the folders are always configuration and split.
  const isOfHub = ofConfig !== undefined && ofSplit !== undefined && wordsOf(ofSplit).length > 0;
  const { config, split, alike } = isOfHub
    ? { config: ofConfig === "data" ? "default" : ofConfig, split: ofSplit, alike: ofSplit }
    : ofPeople(file.path.slice(0, -".parquet".length).split("/"));
  // The hub converts only the beginning of a large split, and marks it with this prefix.
  const whole = (name: string) => name.replace(/^partial-/, "");
  return { file, config, split: whole(split), alike: whole(alike), isPartial: split.startsWith("partial-") };
}

function ofPeople(path: string[]): { config: string; split: string; alike: string } {
  const stem = path.at(-1) ?? "";
  const [, ofHive] = path.map((folder) => folder.match(/^split=(.+)$/)).find(Boolean) ?? [];
  const folders = path.slice(0, -1).filter((folder) => wordsOf(folder).length > 0);
  const [, exact] = stem.match(numbered) ?? [];
  const words = wordsOf(stem);
  const isNamed = exact ? wordsOf(exact).length > 0 : words.length > 0;
  let split = exact ?? stem;
  let alike = exact ?? words.map((word) => word.replace(/\d+$/, "")).join("-");
  if (!isNamed) {
    // "train/part-0": the folder names the split.
    const last = folders.at(-1) ?? "";
    split = ofHive ?? (splits.test(last.replace(/^partial-/, "")) ? (folders.pop() ?? "") : "");
    alike = split;
  } else if (!exact && words.every((word) => splits.test(word))) {
    split = alike;
  }
  return { config: folders.join("/") || "default", split, alike };
}

/** The words of a name without those that number parts. */
function wordsOf(name: string): string[] {
  if (/^[^=]+=/.test(name)) return [];
  const words = name.replace(uuid, "").split(/[-_. ]+/);
  const bare = words.map((word) => {
    const [, letters = ""] = word.match(numberedWord) ?? [];
    return splits.test(letters) || pieces.test(letters) ? letters : word;
  });
  return bare.filter((word) => word !== "" && !pieces.test(word) && !isHash(word));
}
