//! Converts tables in JSON whose rows are lists to CSV, which `table` reads: pandas' `orient="split"`, an object with
//! `columns` and `data`; Google Sheets' object with `values`; and lists of lists.

use super::header::is_usual;
use crate::json::{elements, members, string};

/// Converts the rows to CSV, if this is such a table.
pub fn rows(text: &str) -> Option<String> {
    let text = text.trim();
    match text.as_bytes().first()? {
        b'{' => {
            let (mut names, mut data) = (None, None);
            for (name, value) in members(text).filter(|(_, value)| value.starts_with('[')) {
                match name.as_ref() {
                    "columns" | "header" | "headers" => names = Some(value),
                    "data" | "rows" | "values" => data = Some(value),
                    _ => {}
                }
            }
            let data = data.filter(|data| are_rows(data))?;
            match names {
                Some(names)
                    if elements(names).all(|name| name.starts_with('"')) && elements(names).next().is_some() =>
                {
                    Some(csv(std::iter::once(names).chain(elements(data)), text.len()))
                }
                Some(_) => None,
                // Without column names, it is a table if it makes up most of the file.
                None => (2 * data.len() > text.len() && is_table(data)).then(|| csv(elements(data), text.len())),
            }
        }
        b'[' => (are_rows(text) && is_table(text)).then(|| csv(elements(text), text.len())),
        _ => None,
    }
}

/// Whether rows are those of a table. Lists of strings alone may be texts in pieces, or turns.
fn is_table(rows: &str) -> bool {
    let is_string = |cell: &str| cell.starts_with('"');
    let mixed = |row: &str| elements(row).any(is_string) && !elements(row).all(is_string);
    let is_named = |row: &str| elements(row).any(|cell| is_string(cell) && is_usual(&string(cell)));
    elements(rows).any(mixed) || elements(rows).next().is_some_and(is_named)
}

/// Whether all elements are lists of plain values, none longer than the first one, which is not empty.
fn are_rows(list: &str) -> bool {
    let cells = |row: &str| elements(row).count();
    let Some(first) = elements(list).next().filter(|row| row.starts_with('[')).map(cells) else { return false };
    let plain = |row: &str| elements(row).all(|cell| !cell.starts_with(['[', '{']));
    first > 0 && elements(list).all(|row| row.starts_with('[') && cells(row) <= first && plain(row))
}

fn csv<'a>(rows: impl Iterator<Item = &'a str>, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes);
    for row in rows {
        for (number, cell) in elements(row).enumerate() {
            if number > 0 {
                text.push(',');
            }
            if cell.starts_with('"') {
                text.push('"');
                text.push_str(&string(cell).replace('"', "\"\""));
                text.push('"');
            } else if cell != "null" {
                text.push_str(cell);
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_converted_to_csv() {
        let split = r#"{"columns": ["id", "text"], "index": [0], "data": [[11, "a \"b\",\nc"], [null, "d"]]}"#;
        assert_eq!(rows(split).as_deref(), Some("\"id\",\"text\"\n11,\"a \"\"b\"\",\nc\"\n,\"d\"\n"));
        assert_eq!(rows(r#" [[1, "a"], [2, "b"]] "#).as_deref(), Some("1,\"a\"\n2,\"b\"\n"));
        let sheet = r#"{"range": "A1:B3", "values": [["id", "text"], ["1", "a"], ["2"]]}"#;
        assert_eq!(rows(sheet).as_deref(), Some("\"id\",\"text\"\n\"1\",\"a\"\n\"2\"\n"));
        assert_eq!(rows(r#"[["id", "text"], ["1", "a"]]"#).as_deref(), Some("\"id\",\"text\"\n\"1\",\"a\"\n"));
        for other in [
            "[]",
            "{}",
            "7",
            r#"[["a", "b"], ["c", "d"]]"#,
            r#"[[1], [2, "a"]]"#,
            r#"[[1, ["a"]], [2, ["b"]]]"#,
            r#"[{"a": 1}]"#,
            r#"{"columns": ["a"], "data": [{"a": 1}]}"#,
            r#"{"columns": [7], "data": [[1, "a"]]}"#,
            r#"{"text": "what all of this is about", "data": [[1, 2], [3, 4]]}"#,
            r#"{"text": "what all of this is about", "data": [[1, "a"]]}"#,
        ] {
            assert_eq!(rows(other), None, "{other}");
        }
    }
}
