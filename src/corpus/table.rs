//! CSV and its relatives: one document a row, from one column. The first row names the columns.

use std::collections::BTreeSet;

use super::compact::Compact;
use super::fields::{Fields, SAMPLE};
use super::parsed::{Lines, Parsed};
use super::rows::Rows;
use super::source::Notice;
use crate::error::{Error, Result};

pub fn parse(name: &str, text: String, wanted: Option<&str>) -> Result<Parsed> {
    let bytes = text.as_bytes();
    let delimiter = delimiter(bytes);
    let mut rows = Rows::new(delimiter);
    let mut fields = Fields::named(header(&mut rows, bytes));
    let columns = rows.cells;
    for _ in 0..SAMPLE {
        rows.next(bytes, |column, cell| fields.note_column(column, &String::from_utf8_lossy(cell)));
    }
    let column = match wanted {
        Some(field) => fields.position(field),
        None => fields.fullest(),
    };
    let Some(column) = column else {
        let field = wanted.unwrap_or_default().to_owned();
        return Err(Error::FieldMissing { name: name.to_owned(), field, fields: fields.into_names() });
    };

    let mut rows = Rows::new(delimiter);
    rows.next(bytes, |_, _| {});
    let mut compact = Compact::new(text);
    let (mut ragged, mut without_text) = (Lines::default(), 0);
    let mut document = String::new();
    while rows.next(compact.bytes(), |cell_column, cell| {
        if cell_column == 0 {
            document.clear();
        }
        if cell_column == column {
            document.push_str(&String::from_utf8_lossy(cell));
        }
    }) {
        if rows.cells != columns {
            ragged.note(rows.line);
        }
        if document.trim().is_empty() {
            without_text += 1;
        } else {
            compact.keep(&document, rows.at);
        }
    }

    let mut notices = Vec::new();
    if ragged.count > 0 {
        let (count, first_line) = (ragged.count, ragged.first);
        notices.push(Notice::RaggedRows { name: name.to_owned(), count, first_line });
    }
    if let Some(line) = rows.unclosed {
        notices.push(Notice::QuoteUnclosed { name: name.to_owned(), line });
    }
    if without_text > 0 {
        notices.push(Notice::RowsWithoutText { name: name.to_owned(), count: without_text });
    }
    let field = Some(fields.name(column).to_owned());
    let (text, documents) = compact.finish();
    Parsed { text, documents, field, fields: fields.into_names(), notices, replaced: 0, turns: 0, chat: None }
        .checked(name, wanted)
}

/// The names of the columns. One that has none is called by its number, and a second of a name gets its number, too,
/// so that each can be chosen.
fn header(rows: &mut Rows, bytes: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    rows.next(bytes, |column, cell| {
        names.truncate(column);
        names.push(String::from_utf8_lossy(cell).trim().to_owned());
    });
    let mut taken = BTreeSet::new();
    for (column, name) in names.iter_mut().enumerate() {
        if name.is_empty() {
            *name = (column + 1).to_string();
        }
        while !taken.insert(name.clone()) {
            *name = format!("{name}.{}", column + 1);
        }
    }
    names
}

/// Comma, semicolon or tab: the one that cuts most of the first rows into as many cells as the header, and then the one
/// that makes more columns.
fn delimiter(bytes: &[u8]) -> u8 {
    let score = |delimiter: u8| {
        let mut rows = Rows::new(delimiter);
        rows.next(bytes, |_, _| {});
        let columns = rows.cells;
        let (mut seen, mut alike) = (1, 1);
        while seen <= SAMPLE && rows.next(bytes, |_, _| {}) {
            seen += 1;
            alike += usize::from(rows.cells == columns);
        }
        (columns > 1).then_some((1000 * alike / seen, columns))
    };
    let candidates = [b',', b';', b'\t'].map(|delimiter| (score(delimiter), delimiter));
    match candidates.into_iter().rev().max_by_key(|(score, _)| *score) {
        Some((Some(_), delimiter)) => delimiter,
        // One column: whatever else a line holds is text. No text file has this separator in it.
        _ => 0x1F,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        parse("a.csv", text.to_owned(), None).unwrap()
    }

    fn documents(parsed: &Parsed) -> Vec<&str> {
        parsed.documents.iter().map(|range| &parsed.text[range.clone()]).collect()
    }

    #[test]
    fn the_column_with_most_text_is_taken() {
        let table = parsed("id,quote,url\n1,\"To be, or\nnot \"\"to be\"\"\",https://a.org/1234567890\n2,ñ,\n");
        assert_eq!(documents(&table), ["To be, or\nnot \"to be\"", "ñ"]);
        assert_eq!(table.field.as_deref(), Some("quote"));
        assert_eq!(table.fields, ["id", "quote", "url"]);
        assert_eq!(table.notices, []);
    }

    #[test]
    fn a_column_can_be_asked_for() {
        let text = "id;quote\n1;first, with comma\n2;second";
        let table = parse("a.csv", text.to_owned(), Some("id")).unwrap();
        assert_eq!(documents(&table), ["1", "2"]);
        let error = parse("a.csv", text.to_owned(), Some("words")).unwrap_err();
        let fields = vec!["id".to_owned(), "quote".to_owned()];
        assert_eq!(error, Error::FieldMissing { name: "a.csv".into(), field: "words".into(), fields });
    }

    #[test]
    fn tabs_and_a_single_column() {
        assert_eq!(documents(&parsed("a\tb\nx\tlonger, with; all\n")), ["longer, with; all"]);
        assert_eq!(documents(&parsed("text\none, two\nthree\n")), ["one, two", "three"]);
    }

    #[test]
    fn ragged_rows_are_used_where_the_column_is_there() {
        let table = parsed("text,label\ngood,1\n\nonly text\ntoo,many,cells\n,0\n");
        assert_eq!(documents(&table), ["good", "only text", "too"]);
        let name = "a.csv".to_owned();
        let expected = [
            Notice::RaggedRows { name: name.clone(), count: 2, first_line: 4 },
            Notice::RowsWithoutText { name, count: 1 },
        ];
        assert_eq!(table.notices, expected);
    }

    #[test]
    fn lines_are_counted_across_cells_of_several() {
        let table = parsed("text,label\n\"a\nb\nc\",1\nshort\n");
        assert_eq!(table.notices, [Notice::RaggedRows { name: "a.csv".into(), count: 1, first_line: 5 }]);
    }

    #[test]
    fn a_quote_that_never_closes_does_not_swallow_the_rest() {
        let table = parsed("label,text\n1,\"fine, this\"\n2,\"not closed\n3,more words\n4,end\n");
        assert_eq!(documents(&table), ["fine, this", "\"not closed", "more words", "end"]);
        assert_eq!(table.notices, [Notice::QuoteUnclosed { name: "a.csv".into(), line: 3 }]);
    }

    #[test]
    fn columns_without_names_and_with_the_same() {
        let table = parsed(",text,text\n1,a,longer text\n");
        assert_eq!(table.fields, ["1", "text", "text.3"]);
        assert_eq!(documents(&table), ["longer text"]);
    }

    #[test]
    fn a_header_alone_has_no_text() {
        for text in ["text,label\n", "text", "text,label\n,\n \n"] {
            let error = parse("a.csv", text.to_owned(), None).unwrap_err();
            assert_eq!(error, Error::NoTextInFile { name: "a.csv".into() }, "{text}");
        }
    }
}
