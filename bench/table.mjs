// Formats the results of a comparison as a table.

const figure = (digits) => (value) => value.toFixed(digits);
const columns = [
  ["", "configuration"],
  ["", "engine", (name) => (["cpu", "webgpu"].includes(name) ? `Lorito ${name}` : name)],
  ["tokens/s", "value", (value) => value.toFixed(value < 100 ? 1 : 0)],
  ["Lorito by it", "ratio", figure(2)],
  ["of the best product", "share", (share) => `${(100 * share).toFixed(1)} %`],
  ["steps", "steps", figure(0)],
  ["first loss", "firstLoss", figure(3)],
  ["last loss", "lastLoss", figure(3)],
  ["", "about"],
];

/** `ratio`: Lorito's speed relative to the peer's. Columns without values are omitted. */
export function table(rows) {
  const shown = columns.filter(([, key]) => rows.some((row) => row[key] !== undefined));
  const missing = (title) => (title ? "-" : "");
  const text = ([title, key, write = String], row) => (row[key] === undefined ? missing(title) : write(row[key]));
  const lines = [shown.map(([title]) => title), ...rows.map((row) => shown.map((column) => text(column, row)))];
  const widths = shown.map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  // Text is left-aligned, numbers are right-aligned.
  const cell = (value, at) => (shown[at][0] ? value.padStart(widths[at]) : value.padEnd(widths[at]));
  return lines.map((line) => line.map(cell).join("  ").trimEnd()).join("\n");
}
