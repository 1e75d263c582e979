// Reads a Parquet file as JSON lines, which the crate reads like a .jsonl file. Only the worker loads this, and only when
// such a file is opened. It reads one row group after another, and of all text columns only the wanted one: the first
// lines have all columns, so that the crate can list them and detect the one with the text. Conversations need several
// columns; then all of them are read to the end.
import {
  type AsyncBuffer,
  type ColumnMetaData,
  type Compressors,
  type FileMetaData,
  type ParquetScan,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
  type SchemaTree,
  toJson,
} from "hyparquet";
import type { Problem } from "../shared/errors";
import { part } from "../shared/part";
import { checkPages, largestChunk } from "./parquet-pages";
import { checkThrift } from "./parquet-thrift";

/** Lines are passed on in pieces of this many characters. */
const handful = 2 ** 22;

/** Largest metadata, in bytes: tables of gigabytes have less than one megabyte. */
const longestMetadata = 2 ** 24;

/** How the crate examines the first lines. */
export interface Sample {
  /** The number of lines that it needs. */
  lines: number;
  /** The field to read; undefined: whole lines. */
  likely(lines: string): Promise<string | undefined>;
}

export interface Piece {
  bytes: Uint8Array;
  /** The fraction of the file read so far. */
  part: number;
}

/** The JSON lines, and the field of them to read. */
export interface Rows {
  field: string | undefined;
  pieces: AsyncGenerator<Piece>;
}

/** A file with parsed metadata. */
interface Table {
  file: Blob;
  scan: ParquetScan;
}

/** From field names to the names of their columns. */
type Columns = Map<string, string>;

/** The crate's field names for conversations; "chosen" is the preferred one of two answers. */
const CONVERSATIONS = ["messages", "conversation", "conversations", "chosen"];

/** Reads one file, or several that are parts of one table. */
export async function rowsOf(name: string, files: readonly Blob[], wanted: string | undefined, sample: Sample) {
  const [first] = files;
  if (!first) throw damaged(name, "there is no file");
  const table = await guarded(name, () => open(name, first));
  const { metadata } = table.scan;
  const columns = textColumns(metadata);
  if (columns.size === 0) {
    const all = parquetSchema(metadata).children.map(({ element }) => element.name);
    throw { code: "parquet-no-text", name, columns: all } satisfies Problem;
  }
  const head = await guarded(name, () => firstLines(name, table, columns, sample.lines));
  // An empty name selects the conversations, which need all columns.
  const field = wanted ?? (await sample.likely(head));
  return { field, pieces: pieces(name, files, field, head, sample.lines) } satisfies Rows;
}

async function* pieces(
  name: string,
  files: readonly Blob[],
  field: string | undefined,
  head: string,
  headLines: number,
): AsyncGenerator<Piece> {
  const encoder = new TextEncoder();
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let before = 0;
  let skip = headLines;
  yield { bytes: encoder.encode(head), part: 0 };
  for (const file of files) {
    const table = await guarded(name, () => open(name, file));
    const { metadata, ranges } = table.scan;
    const all = textColumns(metadata);
    // The name of a nested field begins with its column's name.
    const holds = (known: string) => known === field || field?.startsWith(`${known}.`);
    const wanted: Columns = field ? new Map([...all].filter(([known]) => holds(known))) : all;
    if (wanted.size === 0) {
      if (file !== files[0]) throw damaged(name, `a part of it has no column ${field}`);
      return; // the crate reports this: it has seen the first lines
    }
    const rows = Math.max(1, Number(metadata.num_rows));
    for (const { rowStart, rowEnd } of ranges) {
      const from = Math.min(rowEnd, rowStart + skip);
      skip -= from - rowStart;
      if (from === rowEnd) continue;
      const lineOf = await guarded(name, () => readRows(name, table, wanted, from, rowEnd));
      for (let row = from; row < rowEnd; ) {
        let lines = "";
        for (; row < rowEnd && lines.length < handful; row++) lines += lineOf(row);
        yield { bytes: encoder.encode(lines), part: Math.min(1, (before + (file.size * row) / rows) / total) };
      }
    }
    before += file.size;
    skip = 0; // the first lines are all from the first part
  }
}

async function open(name: string, file: Blob): Promise<Table> {
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    slice: (start, end = file.size) => file.slice(start, end).arrayBuffer(),
  };
  await checkMetadata(file);
  const metadata = await parquetMetadataAsync(buffer);
  // The offset index could refer to pages that were not checked.
  const options = { file: buffer, metadata, geoparquet: false, useOffsetIndex: false };
  const compressors = await compressorsFor(name, metadata);
  return { file, scan: await parquetScan(compressors ? { ...options, compressors } : options) };
}

/** Throws an Error if the metadata are too large, or too many. */
async function checkMetadata(file: Blob): Promise<void> {
  const footer = new DataView(await file.slice(-8).arrayBuffer());
  // hyparquet itself reports a file that is not Parquet.
  if (footer.byteLength < 8 || footer.getUint32(4, true) !== 0x31524150) return;
  const length = footer.getUint32(0, true);
  if (length > longestMetadata)
    throw new Error(`its description has ${length} bytes, and at most ${longestMetadata} are read`);
  if (length + 8 > file.size) return;
  checkThrift(new DataView(await file.slice(-8 - length, -8).arrayBuffer()), 0);
}

/** Snappy is built in. The other formats come with Brotli's dictionary, which is larger than all of hyparquet. */
async function compressorsFor(name: string, metadata: FileMetaData): Promise<Compressors | undefined> {
  const codecs = metadata.row_groups.flatMap(({ columns }) => columns.map(({ meta_data: chunk }) => chunk?.codec));
  if (codecs.every((codec) => codec === undefined || codec === "UNCOMPRESSED" || codec === "SNAPPY")) return undefined;
  const { compressors } = await part(import("hyparquet-compressors"));
  const unknown = codecs.find((codec) => codec !== undefined && codec !== "UNCOMPRESSED" && !(codec in compressors));
  if (unknown) throw damaged(name, `it is packed with ${unknown}`);
  return compressors;
}

/** The columns with strings or lists of strings, and those with conversations, by the field names they get in the lines. */
function textColumns(metadata: FileMetaData): Columns {
  const { children } = parquetSchema(metadata);
  const named = (columns: SchemaTree[]) => columns.map(({ element: { name } }) => [name, name] as const);
  const strings = children.filter((column) => isString(column) || isListOfStrings(column));
  const conversations = children.filter(isConversation);
  // Old writers do not mark bytes as text.
  const found = strings.length + conversations.length > 0 ? strings : children.filter(isBytes);
  const columns: Columns = new Map([...named(found), ...named(conversations)]);
  const [conversation] = conversations.map(({ element }) => element.name).filter((name) => !/rejected/i.test(name));
  if (conversation && !conversations.some(({ element }) => CONVERSATIONS.includes(element.name))) {
    columns.delete(conversation);
    columns.set("messages", conversation);
  }
  return columns;
}

function isString(column: SchemaTree): boolean {
  const { logical_type: logical, converted_type: converted } = column.element;
  return isBytes(column) && (logical ? logical.type === "STRING" || logical.type === "ENUM" : converted === "UTF8");
}

function isListOfStrings(column: SchemaTree): boolean {
  const item = column.children[0]?.children[0];
  return isList(column) && item !== undefined && isString(item);
}

function isList({ element }: SchemaTree): boolean {
  return element.converted_type === "LIST" || element.logical_type?.type === "LIST";
}

function isBytes({ children, element }: SchemaTree): boolean {
  return children.length === 0 && element.type === "BYTE_ARRAY" && element.repetition_type !== "REPEATED";
}

/** A list of messages with role and content: {role, content}, or {from, value}. */
function isConversation(column: SchemaTree): boolean {
  if (!isList(column)) return false;
  const message = column.children[0]?.children[0];
  const parts = new Set(message?.children.filter(isBytes).map((part) => part.element.name));
  return (parts.has("role") && parts.has("content")) || (parts.has("from") && parts.has("value"));
}

/** The first rows with all text columns. */
async function firstLines(name: string, table: Table, columns: Columns, most: number): Promise<string> {
  let lines = "";
  for (const { rowStart, rowEnd } of table.scan.ranges) {
    const end = Math.min(rowEnd, most);
    if (rowStart >= end) break;
    const lineOf = await readRows(name, table, columns, rowStart, end);
    for (let row = rowStart; row < end; row++) lines += lineOf(row);
  }
  return lines;
}

/** Reads some rows of one row group; returns a function from a row to its line. */
async function readRows(name: string, table: Table, columns: Columns, from: number, end: number) {
  const fields: [string, ArrayLike<unknown>][] = [];
  for (const [field, column] of columns) fields.push([field, await readColumn(name, table, column, from, end)]);
  return (row: number) => line(fields.map(([field, values]) => [field, values[row - from]]));
}

async function readColumn(name: string, { file, scan }: Table, column: string, rowStart: number, rowEnd: number) {
  const chunks = chunksOf(scan.metadata, column, rowEnd);
  const bytes = chunks.reduce((sum, { total_uncompressed_size: size }) => sum + Number(size), 0);
  if (bytes > largestChunk) throw { code: "file-too-large", name, bytes, limit: largestChunk } satisfies Problem;
  for (const chunk of chunks) await checkPages(file, chunk);
  return scan.readColumn({ column, rowStart, rowEnd });
}

/** A column's chunks in the row group that contains the row before `rowEnd`: one for each string in it. */
function chunksOf({ row_groups: groups }: FileMetaData, column: string, rowEnd: number): ColumnMetaData[] {
  let rows = 0;
  const group = groups.find(({ num_rows: more }) => {
    rows += Number(more);
    return rows >= rowEnd;
  });
  const chunks = group?.columns.flatMap(({ meta_data: chunk }) => chunk ?? []) ?? [];
  return chunks.filter(({ path_in_schema: [first] }) => first === column);
}

/** One row as a JSON line. Empty fields are omitted, except an empty conversation. */
function line(fields: [string, unknown][]): string {
  const is = (value: unknown) => value !== null && value !== undefined;
  const present = fields.filter(([field, value]) => is(value) || CONVERSATIONS.includes(field));
  const plain = (value: unknown) => (typeof value === "string" ? value : is(value) ? toJson(value) : null);
  const written = present.map(([field, value]) => [field, plain(value)]);
  return `${JSON.stringify(Object.fromEntries(written))}\n`;
}

/** Converts the errors of hyparquet to Problems. */
async function guarded<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof Error ? damaged(name, thrown.message) : thrown;
  }
}

function damaged(name: string, reason: string): Problem {
  return { code: "parquet-damaged", name, reason };
}
