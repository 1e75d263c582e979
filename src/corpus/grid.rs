//! Tables in JSON whose rows are lists: those that pandas writes with `orient="split"`, an object with `columns` and `data`,
//! and lists of lists. They become CSV, which `table` reads.

use crate::json::{elements, members, string};

/// The rows as CSV, if this is such a table.
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
            let (names, data) = (names?, data?);
            let named = elements(names).all(|name| name.starts_with('"')) && elements(names).next().is_some();
            (named && are_rows(data)).then(|| csv(std::iter::once(names).chain(elements(data)), text.len()))
        }
        // Lists of strings alone are texts in pieces, or what people say in turn.
        b'[' => {
            let mixed = |row: &str| elements(row).any(|cell| !cell.starts_with('"'));
            (are_rows(text) && elements(text).any(mixed)).then(|| csv(elements(text), text.len()))
        }
        _ => None,
    }
}

/// Whether all elements are lists of plain values, as long as the first one, of two or more.
fn are_rows(list: &str) -> bool {
    let cells = |row: &str| elements(row).count();
    let Some(first) = elements(list).next().filter(|row| row.starts_with('[')).map(cells) else { return false };
    let plain = |row: &str| elements(row).all(|cell| !cell.starts_with(['[', '{']));
    first > 0 && elements(list).all(|row| row.starts_with('[') && cells(row) == first && plain(row))
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
    fn tables_become_csv() {
        let split = r#"{"columns": ["id", "text"], "index": [0], "data": [[11, "a \"b\",\nc"], [null, "d"]]}"#;
        assert_eq!(rows(split).as_deref(), Some("\"id\",\"text\"\n11,\"a \"\"b\"\",\nc\"\n,\"d\"\n"));
        assert_eq!(rows(r#" [[1, "a"], [2, "b"]] "#).as_deref(), Some("1,\"a\"\n2,\"b\"\n"));
        for other in [
            "[]",
            "{}",
            "7",
            r#"[["a", "b"], ["c", "d"]]"#,
            r#"[[1, "a"], [2]]"#,
            r#"[[1, ["a"]], [2, ["b"]]]"#,
            r#"[{"a": 1}]"#,
            r#"{"columns": ["a"], "data": [{"a": 1}]}"#,
            r#"{"data": [[1, "a"]]}"#,
        ] {
            assert_eq!(rows(other), None, "{other}");
        }
    }
}
