// Classifies files as models, saved runs or texts. Only the file names decide, and the names inside an archive; a one-page
// model is detected by its first bytes. One rule for drag and drop, both file choosers and `window.lorito`.
import type { NamedFile } from "./protocol";

/** Files in a model's folder with additional tokenizer settings and the end-of-text tokens. */
export const tokenizerDescriptions = [
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "generation_config.json",
  "chat_template.jinja",
];

/** A file with what is known about it before it is read. */
export interface SeenFile extends NamedFile {
  /** The names of its entries, if it is an archive. */
  entries?: readonly string[] | undefined;
  /** Whether it is a one-page model. */
  isPage?: boolean;
}

export interface SortedFiles {
  /** Each element opens as one model: the files of a folder, one file, or an archive. */
  models: NamedFile[][];
  /** Folders of further models, which are ignored: only one model can be open. */
  passedOver: string[];
  /** Downloaded runs. */
  runs: NamedFile[];
  texts: NamedFile[];
  /** Files in folders that are none of these. */
  others: NamedFile[];
}

/** Largest number of texts added at once: nobody could review a longer list. */
export const mostTexts = 256;
/** Largest number of files examined at once: no model has more, and a home folder dropped by mistake stops here. */
export const mostFiles = 4096;

export const baseOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** File names that the crate reads as text. */
const textEnding = /\.(txt|md|markdown|csv|tsv|json|jsonl|ndjson|parquet)(\.gz)?$/i;

/** The readers of documents, of which the page extracts the text, by the endings of their names. */
const documentEndings = {
  pdf: "pdf",
  docx: "docx",
  docm: "docx",
  odt: "odt",
  epub: "epub",
  html: "html",
  htm: "html",
  xhtml: "html",
  srt: "subtitles",
  vtt: "subtitles",
  eml: "mail",
  mbox: "mail",
} as const;

export type DocumentKind = (typeof documentEndings)[keyof typeof documentEndings];

/** Which reader extracts the text of a file; undefined if the crate reads it as it is. */
export function documentKind(path: string): DocumentKind | undefined {
  // A script may give something else than a string, which the crate refuses.
  const ending = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(documentEndings, ending) ? documentEndings[ending as keyof typeof documentEndings] : undefined;
}

/** Whether a file with this beginning is a PDF. */
export const beginsAsPdf = (start: Uint8Array): boolean => String.fromCharCode(...start.subarray(0, 5)) === "%PDF-";

export const isText = (path: string): boolean => textEnding.test(path) || documentKind(path) !== undefined;

/** Whether a file was added by an operating system rather than by its owner. */
export function isLitter(path: string): boolean {
  const parts = path.split("/");
  const name = parts.at(-1) ?? "";
  return parts.includes("__MACOSX") || name.startsWith("._") || /^(\.DS_Store|Thumbs\.db|desktop\.ini)$/i.test(name);
}

/** Whether a file with this beginning is a ZIP archive. */
export function isArchive(start: Uint8Array): boolean {
  // An empty archive consists only of its end record.
  const [first, second] = start.subarray(2);
  return start[0] === 0x50 && start[1] === 0x4b && ((first === 3 && second === 4) || (first === 5 && second === 6));
}

/** Whether a file without its folder holds weights that can be opened. */
export const isWeights = (name: string): boolean => /\.(safetensors|gguf)$|^pytorch_model[^/]*\.bin$/i.test(name);

/** Whether a file holds a whole model of llama.cpp. */
export const isGguf = (name: string): boolean => /\.gguf$/i.test(name);

/** Whether a file with this beginning is one. */
export const beginsAsGguf = (start: Uint8Array): boolean => String.fromCharCode(...start.subarray(0, 4)) === "GGUF";

/** Files beside the config.json of a model. Other programs also call their settings config.json. */
const besideModel =
  /^(tokenizer(_config)?\.json|vocab\.json|merges\.txt|generation_config\.json|.*\.index\.json|.*\.(bin|pt|pth|ckpt|h5|msgpack|onnx|ot|gguf|tflite))$/i;
/** Files of a model that have the extension of a text. */
const modelsOwnText = /^(merges|vocab|requirements|licen[cs]e|notice)[^/]*\.txt$|^(readme|model_?card)[^/]*\.md$/i;

/** Whether the files of one folder, named without it, make a model or an adapter. */
export function isModel(names: readonly string[]): boolean {
  if (names.some((name) => isWeights(name) || name === "adapter_config.json")) return true;
  return names.includes("config.json") && (names.length === 1 || names.some((name) => besideModel.test(name)));
}

/** The folders with a model, without those nested in one of them. "" stands for files without a folder. */
export function modelFolders(paths: readonly string[]): string[] {
  const folders = new Map<string, string[]>();
  for (const path of paths) {
    const folder = folderOf(path);
    const names = folders.get(folder) ?? [];
    names.push(baseOf(path));
    folders.set(folder, names);
  }
  const holding = [...folders].filter(([, names]) => isModel(names)).map(([folder]) => folder);
  return holding.filter((folder) => !holding.some((outer) => outer !== "" && folder.startsWith(`${outer}/`)));
}

export function sortFiles(given: readonly SeenFile[]): SortedFiles {
  const sorted: SortedFiles = { models: [], passedOver: [], runs: [], texts: [], others: [] };
  const files = given.filter(({ name }) => !isLitter(name));
  const folders = modelFolders(files.map(({ name }) => name));
  const inFolders = new Map<string, NamedFile[]>(folders.map((folder) => [folder, []]));
  for (const { entries, isPage, ...file } of files) {
    const { name } = file;
    const holding = folders.find((folder) => folder !== "" && name.startsWith(`${folder}/`));
    if (holding !== undefined) inFolders.get(holding)?.push(file);
    else if (/\.lorito$/i.test(name)) sorted.runs.push(file);
    else if (isPage || (entries && modelFolders(entries).length > 0)) sorted.models.push([file]);
    else if (inFolders.has("") && !name.includes("/") && belongsToLooseModel(name)) inFolders.get("")?.push(file);
    else if (!name.includes("/") || isText(name) || entries) sorted.texts.push(file);
    else sorted.others.push(file);
  }
  const groups = joined([...inFolders].map(([folder, inside]) => ({ folder, files: inside })));
  const described = groups.filter(({ files }) => has(files, "config.json") || has(files, "adapter_config.json"));
  // Lorito's own files and llama.cpp's are self-contained, so each is a model. PyTorch's needs others, which opening says.
  const own = groups.filter((group) => !described.includes(group)).flatMap(({ files }) => files);
  sorted.models.push(...togetherInSets(own.filter(({ name }) => isWeights(baseOf(name)))));
  const [first, ...others] = latestFirst(described);
  if (first) sorted.models.push(first.files);
  sorted.passedOver = others.map(({ folder }) => folder);
  return sorted;
}

/** The files of one folder and its subfolders. */
interface Group {
  folder: string;
  files: NamedFile[];
}

const has = (files: readonly NamedFile[], wanted: string) => files.some(({ name }) => baseOf(name) === wanted);

/** Files that are a model each, or that are one together, as GGUF files with names like "a-00001-of-00003.gguf". */
function togetherInSets(files: readonly NamedFile[]): NamedFile[][] {
  const sets = new Map<string, NamedFile[]>();
  for (const file of files) {
    const set = file.name.replace(/-\d+(-of-\d+\.gguf)$/i, "$1");
    sets.set(set, [...(sets.get(set) ?? []), file]);
  }
  return [...sets.values()];
}

/** Whether a file without a folder belongs to a model. Each was chosen by hand, so a text stays one beside a model's files. */
function belongsToLooseModel(name: string): boolean {
  const isOwn =
    documentKind(name) === undefined && !/\.(txt|md|markdown|csv|tsv|jsonl|ndjson|parquet|gz|zip)$/i.test(name);
  return modelsOwnText.test(name) || isOwn;
}

/** Joins a model in one folder with an adapter in another one, so that both are opened together. */
function joined(groups: Group[]): Group[] {
  const [one, other] = groups;
  if (!one || !other || groups.length > 2) return groups;
  const isPair = (base: Group, adapter: Group) =>
    has(base.files, "config.json") && has(adapter.files, "adapter_config.json") && !has(adapter.files, "config.json");
  if (!isPair(one, other) && !isPair(other, one)) return groups;
  return [{ folder: one.folder, files: [...one.files, ...other.files] }];
}

/** Sorts folders by depth, the shallowest first; of "checkpoint-500" and the like the last step comes first. */
function latestFirst(groups: Group[]): Group[] {
  const depth = ({ folder }: Group) => folder.split("/").length;
  const number = ({ folder }: Group) => Number(folder.match(/checkpoint-(\d+)$/)?.[1] ?? 0);
  return groups.sort(
    (one, other) => depth(one) - depth(other) || number(other) - number(one) || (one.folder < other.folder ? -1 : 1),
  );
}

/** The names of files as texts: without their folders, unless two names would be equal. */
export function shortNames(paths: readonly string[]): string[] {
  const count = new Map<string, number>();
  for (const path of paths) count.set(baseOf(path), (count.get(baseOf(path)) ?? 0) + 1);
  return paths.map((path) => (count.get(baseOf(path)) === 1 ? baseOf(path) : path));
}
