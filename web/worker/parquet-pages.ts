// Checks the page headers of a Parquet column before any page is unpacked: hyparquet allocates whatever they claim, and a
// page of a few bytes can claim two thousand million values.
import type { ColumnMetaData } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { checkThrift } from "./parquet-thrift";

/** Largest size of a column in one row group, which is decoded whole, in bytes: the crate accepts no longer text. */
export const largestChunk = 2 ** 29;
/** Largest number of values of a column in one row group: even an empty value takes some bytes once decoded. */
const mostValues = 2 ** 24;

/** Throws an Error unless the pages of a column chunk lie within it and fit in memory. */
export async function checkPages(file: Blob, chunk: ColumnMetaData): Promise<void> {
  const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
  const end = start + Number(chunk.total_compressed_size);
  if (!(start >= 0 && start < end && end <= file.size)) throw new Error("a column lies outside of the file");
  if (end - start > largestChunk) throw new Error(`a column of ${end - start} bytes is too large`);
  const reader = { view: new DataView(await file.slice(start, end).arrayBuffer()), offset: 0 };
  let [bytes, values] = [0, 0];
  // Some writers count a byte too much; hyparquet stops there, too.
  while (reader.offset < reader.view.byteLength - 1) {
    checkThrift(reader.view, reader.offset);
    const page = parquetHeader(reader);
    const { compressed_page_size: packed, uncompressed_page_size: unpacked } = page;
    const { num_values: count } =
      page.data_page_header ?? page.data_page_header_v2 ?? page.dictionary_page_header ?? {};
    for (const size of [packed, unpacked, count ?? 0])
      if (!Number.isInteger(size) || size < 0) throw new Error(`a page has ${size} bytes or values`);
    reader.offset += packed;
    if (reader.offset > reader.view.byteLength) throw new Error("a page is longer than its column");
    bytes += unpacked;
    values += count ?? 0;
    if (bytes > largestChunk) throw new Error(`the pages of a column unpack to ${bytes} bytes, which is too much`);
    if (values > mostValues) throw new Error(`the pages of a column hold ${values} values, which is too many`);
  }
}
