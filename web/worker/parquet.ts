// The rows of a Parquet file as JSON lines, which the crate reads like those of a .jsonl file. Only the worker loads this,
// and only when somebody opens such a file. Row group after row group, and of all columns with text only the wanted one:
// the others are there in the first lines, so that the crate can list them and find out which one holds the text. Where
// it is not one column alone that counts, as in conversations, all of them are there to the end.
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

/** Lines are handed on when they come to this many characters. */
const handful = 2 ** 22;

/** Bytes of the description of a table at its end: tables of gigabytes have less than one of these megabytes. */
const longestMetadata = 2 ** 24;

/** What the crate says of the first lines. */
export interface Sample {
  /** How many count. */
  lines: number;
  /** The field to be read; undefined: whole lines. */
  likely(lines: string): Promise<string | undefined>;
}

export interface Piece {
  bytes: Uint8Array;
  /** How much of the file is read with it, from 0 to 1. */
  part: number;
}

/** The field to be read of the lines, and the lines. */
export interface Rows {
  field: string | undefined;
  pieces: AsyncGenerator<Piece>;
}

/** A file whose metadata have been read. */
interface Table {
  file: Blob;
  scan: ParquetScan;
}

/** Where a field of the lines comes from. */
type Columns = Map<string, string>;

/** Names that the crate knows conversations by; of two answers it takes the one that was chosen. */
const CONVERSATIONS = ["messages", "conversation", "conversations", "chosen"];

/** The rows of one file, or of several that are parts of one table. */
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
  // An empty name asks for the conversations, for which all columns are needed.
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
    // What is beneath a column has the column's name before its own.
    const holds = (known: string) => known === field || field?.startsWith(`${known}.`);
    const wanted: Columns = field ? new Map([...all].filter(([known]) => holds(known))) : all;
    if (wanted.size === 0) {
      if (file !== files[0]) throw damaged(name, `a part of it has no column ${field}`);
      return; // the crate says so: it has seen the first lines
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
    skip = 0; // the first lines are of the first part
  }
}

async function open(name: string, file: Blob): Promise<Table> {
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    slice: (start, end = file.size) => file.slice(start, end).arrayBuffer(),
  };
  await checkMetadata(file);
  const metadata = await parquetMetadataAsync(buffer);
  // By its index a page could be read that nobody has looked at.
  const options = { file: buffer, metadata, geoparquet: false, useOffsetIndex: false };
  const compressors = await compressorsFor(name, metadata);
  return { file, scan: await parquetScan(compressors ? { ...options, compressors } : options) };
}

/** Throws an Error where the description of a table is more than can be read. */
async function checkMetadata(file: Blob): Promise<void> {
  const footer = new DataView(await file.slice(-8).arrayBuffer());
  // Of what is no table at all, hyparquet tells.
  if (footer.byteLength < 8 || footer.getUint32(4, true) !== 0x31524150) return;
  const length = footer.getUint32(0, true);
  if (length > longestMetadata)
    throw new Error(`its description has ${length} bytes, and at most ${longestMetadata} are read`);
  if (length + 8 > file.size) return;
  checkThrift(new DataView(await file.slice(-8 - length, -8).arrayBuffer()), 0);
}

/** Snappy is built in. The others come with a dictionary of Brotli's that is larger than all of hyparquet. */
async function compressorsFor(name: string, metadata: FileMetaData): Promise<Compressors | undefined> {
  const codecs = metadata.row_groups.flatMap(({ columns }) => columns.map(({ meta_data: chunk }) => chunk?.codec));
  if (codecs.every((codec) => codec === undefined || codec === "UNCOMPRESSED" || codec === "SNAPPY")) return undefined;
  const { compressors } = await part(import("hyparquet-compressors"));
  const unknown = codecs.find((codec) => codec !== undefined && codec !== "UNCOMPRESSED" && !(codec in compressors));
  if (unknown) throw damaged(name, `it is packed with ${unknown}`);
  return compressors;
}

/** The columns of strings or lists of these, and those that hold conversations, by the names that they get in the lines. */
function textColumns(metadata: FileMetaData): Columns {
  const { children } = parquetSchema(metadata);
  const named = (columns: SchemaTree[]) => columns.map(({ element: { name } }) => [name, name] as const);
  const strings = children.filter((column) => isString(column) || isListOfStrings(column));
  const conversations = children.filter(isConversation);
  // Old writers do not say that bytes are text.
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

/** A list of messages, each with who says what: {role, content}, or {from, value}. */
function isConversation(column: SchemaTree): boolean {
  if (!isList(column)) return false;
  const message = column.children[0]?.children[0];
  const parts = new Set(message?.children.filter(isBytes).map((part) => part.element.name));
  return (parts.has("role") && parts.has("content")) || (parts.has("from") && parts.has("value"));
}

/** The first rows with all their text. */
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

/** Some rows of one row group: what makes the line of each. */
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

/** The chunks of a column in the row group that has the row before this one: one for each string in it. */
function chunksOf({ row_groups: groups }: FileMetaData, column: string, rowEnd: number): ColumnMetaData[] {
  let rows = 0;
  const group = groups.find(({ num_rows: more }) => {
    rows += Number(more);
    return rows >= rowEnd;
  });
  const chunks = group?.columns.flatMap(({ meta_data: chunk }) => chunk ?? []) ?? [];
  return chunks.filter(({ path_in_schema: [first] }) => first === column);
}

/** One row. What is empty in the table has no place in the line, but that a conversation is empty. */
function line(fields: [string, unknown][]): string {
  const is = (value: unknown) => value !== null && value !== undefined;
  const present = fields.filter(([field, value]) => is(value) || CONVERSATIONS.includes(field));
  const plain = (value: unknown) => (typeof value === "string" ? value : is(value) ? toJson(value) : null);
  const written = present.map(([field, value]) => [field, plain(value)]);
  return `${JSON.stringify(Object.fromEntries(written))}\n`;
}

/** What hyparquet throws, in words of ours. */
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
