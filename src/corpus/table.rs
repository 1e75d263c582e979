//! Reads CSV and similar tables: one document per row, from one column, or conversations from a question and an answer
//! column.

use super::compact::Compact;
use super::conversations::Conversations;
use super::fields::{Amount, Choice, Fields, SAMPLE};
use super::header::Begin;
use super::parsed::{CONVERSATIONS, Lines, Parsed, REFUSED, TOLD};
use super::rows::Rows;
use super::source::Notice;
use crate::chat::records::{self, Columns};
use crate::error::{Error, Result};

/// The properties of a table that are known before its rows are read.
struct Table {
    begin: Begin,
    has_header: bool,
    /// The columns, with the amount of text of each in the first rows.
    fields: Fields,
    columns: usize,
    pair: Option<Columns>,
}

pub fn parse(name: &str, text: String, wanted: Option<&str>) -> Result<Parsed> {
    let table = Table::of(text.as_bytes());
    if let Some(pair) = table.pair.filter(|_| wanted.is_none_or(|field| field == CONVERSATIONS))
        && let Some((found, notices)) = table.conversations(name, &text, pair, wanted.is_some())?
    {
        drop(text);
        return Ok(Parsed::conversations(name, found, Choice::of(table.fields.names(), None), notices));
    }
    if wanted == Some(CONVERSATIONS) {
        return Err(Error::NothingToLearn);
    }
    let column = match wanted {
        Some(field) => table.fields.position(field),
        None => table.fields.fullest(),
    };
    let Some(column) = column else {
        if wanted.is_none() || table.columns == 0 {
            return Err(Error::NoTextInFile { name: name.to_owned() });
        }
        let field = wanted.unwrap_or_default().to_owned();
        let fields = Choice::of(table.fields.names(), None).names;
        return Err(Error::FieldMissing { name: name.to_owned(), field, fields });
    };
    table.column(name, text, column, wanted)
}

impl Table {
    fn of(text: &[u8]) -> Self {
        let begin = Begin::of(text);
        let (names, has_header) = begin.columns(text);
        let columns = names.len();
        let pair = records::pair_columns(names.iter().map(String::as_str)).filter(|_| has_header);
        let mut table = Self { begin, has_header, fields: Fields::named(names), columns, pair };
        let mut rows = table.rows(text);
        let mut row = Vec::new();
        for _ in 0..SAMPLE {
            if !rows.next(text, |column, cell| {
                row.truncate(column);
                row.push(Amount::of(&String::from_utf8_lossy(cell)));
            }) {
                break;
            }
            row.drain(..).enumerate().for_each(|(column, amount)| table.fields.note_column(column, amount));
        }
        table
    }

    /// The rows below the header.
    fn rows(&self, text: &[u8]) -> Rows {
        let mut rows = self.begin.rows();
        if self.has_header {
            rows.next(text, |_, _| {});
        }
        rows
    }

    fn column(&self, name: &str, text: String, column: usize, wanted: Option<&str>) -> Result<Parsed> {
        let mut rows = self.rows(text.as_bytes());
        let mut compact = Compact::new(text);
        let (mut ragged, mut without_text) = (Lines::default(), 0);
        let mut document = String::new();
        let mut tally = Tally::new(self.columns);
        while rows.next(compact.bytes(), |cell_column, cell| {
            if cell_column == 0 {
                document.clear();
                tally.begin_row();
            }
            let cell = String::from_utf8_lossy(cell);
            tally.note(cell_column, &cell);
            if cell_column == column {
                document.push_str(&cell);
            }
        }) {
            if rows.cells != self.columns {
                ragged.note(rows.line);
            }
            if document.trim().is_empty() {
                without_text += 1;
            } else {
                compact.keep(&document, rows.at);
            }
        }
        tally.begin_row();
        let mut notices = self.uneven(name, &rows, ragged);
        if without_text > 0 {
            notices.push(Notice::RowsWithoutText { name: name.to_owned(), count: without_text });
        }
        let read = tally.amounts[column].letters;
        let (text, documents) = compact.finish();
        if wanted.is_none() && !documents.is_empty() {
            notices.extend(self.judge(name, &tally, read, &[column])?);
        }
        let field = self.fields.name(column);
        let fields = Choice::of(self.fields.names(), Some(field));
        let field = Some(field.to_owned());
        let conversational = self.pair.is_some();
        Parsed { text, documents, field, fields, conversational, notices, ..Parsed::default() }.checked(name, wanted)
    }

    /// Reads two columns as questions and answers; `None` if hardly any row has both.
    fn conversations(
        &self,
        name: &str,
        text: &str,
        pair: Columns,
        asked: bool,
    ) -> Result<Option<(Conversations, Vec<Notice>)>> {
        let mut rows = self.rows(text.as_bytes());
        let mut row: Vec<String> = Vec::new();
        let mut found = Conversations::with_room(text.len() + text.len() / 4);
        let (mut ragged, mut tally) = (Lines::default(), Tally::new(self.columns));
        while rows.next(text.as_bytes(), |column, cell| {
            if column == 0 {
                tally.begin_row();
            }
            row.truncate(column);
            let cell = String::from_utf8_lossy(cell);
            tally.note(column, &cell);
            row.push(cell.into_owned());
        }) {
            if rows.cells != self.columns {
                ragged.note(rows.line);
            }
            found.add_form(pair.form(|column| row.get(column).cloned().unwrap_or_default()));
        }
        tally.begin_row();
        if found.documents.is_empty() {
            return Ok(None);
        }
        let mut notices = self.uneven(name, &rows, ragged);
        let used = [Some(pair.asked), Some(pair.answered), pair.input, pair.system];
        if !asked {
            let used: Vec<usize> = used.into_iter().flatten().collect();
            notices.extend(self.judge(name, &tally, found.letters, &used)?);
        }
        Ok(Some((found, notices)))
    }

    fn uneven(&self, name: &str, rows: &Rows, ragged: Lines) -> Vec<Notice> {
        let mut notices = Vec::new();
        if ragged.count > 0 {
            let (count, first_line) = (ragged.count, ragged.first);
            notices.push(Notice::RaggedRows { name: name.to_owned(), count, first_line });
        }
        if let Some(line) = rows.unclosed {
            notices.push(Notice::QuoteUnclosed { name: name.to_owned(), line });
        }
        notices
    }

    /// The counterpart of `Share::judge` for columns.
    fn judge(&self, name: &str, tally: &Tally, read: u64, used: &[usize]) -> Result<Option<Notice>> {
        let rejected = super::fields::rejected(|| self.fields.names());
        let others = || (0..self.columns).filter(|&column| !rejected(self.fields.name(column)));
        let all: u64 = others().map(|column| tally.amounts[column].several).sum();
        if TOLD * read >= all {
            return Ok(None);
        }
        let (name, percent) = (name.to_owned(), 100 * read / all);
        if REFUSED * read < all {
            let fields = Choice::of(self.fields.names(), None).names;
            return Err(Error::FieldUnclear { name, percent, fields, conversational: used.len() > 1 });
        }
        let rest = others().filter(|column| !used.contains(column)).max_by_key(|&column| tally.amounts[column]);
        let field = rest.map(|column| self.fields.name(column).to_owned()).unwrap_or_default();
        Ok(Some(Notice::TextElsewhere { name, percent, field }))
    }
}

/// The amount of text of each column in all rows. A row that is read again counts once.
struct Tally {
    amounts: Vec<Amount>,
    row: Vec<(usize, Amount)>,
}

impl Tally {
    fn new(columns: usize) -> Self {
        Self { amounts: vec![Amount::default(); columns], row: Vec::new() }
    }

    fn note(&mut self, column: usize, cell: &str) {
        if column < self.amounts.len() && !cell.is_empty() {
            self.row.push((column, Amount::of(cell)));
        }
    }

    /// Counts the previous row, which is complete.
    fn begin_row(&mut self) {
        for (column, amount) in self.row.drain(..) {
            self.amounts[column].add(amount);
        }
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
    fn the_column_with_most_text_is_read() {
        let table = parsed("id,quote,url\n1,\"To be, or\nnot \"\"to be\"\"\",https://a.org/1234567890\n2,ñ,\n");
        assert_eq!(documents(&table), ["To be, or\nnot \"to be\"", "ñ"]);
        assert_eq!(table.field.as_deref(), Some("quote"));
        assert_eq!(table.fields.names, ["id", "quote", "url"]);
        assert_eq!(table.notices, []);
    }

    #[test]
    fn a_column_can_be_chosen() {
        let text = "id;quote\n1;first, with comma\n2;second";
        let table = parse("a.csv", text.to_owned(), Some("id")).unwrap();
        assert_eq!(documents(&table), ["1", "2"]);
        let error = parse("a.csv", text.to_owned(), Some("words")).unwrap_err();
        let fields = vec!["id".to_owned(), "quote".to_owned()];
        assert_eq!(error, Error::FieldMissing { name: "a.csv".into(), field: "words".into(), fields });
    }

    #[test]
    fn tab_separated_and_single_column_files_are_read() {
        assert_eq!(documents(&parsed("a\tb\nx\tlonger, with; all\n")), ["longer, with; all"]);
        assert_eq!(documents(&parsed("text\none, two\nthree\n")), ["one, two", "three"]);
    }

    #[test]
    fn a_first_line_of_excel_declares_the_separator() {
        let table =
            parsed("sep=;\nid;título;texto\n1;\"El faro; la boya\";\"Dijo: \"\"vuelve\"\".\nY volvió.\"\n2;x\n");
        assert_eq!(table.fields.names, ["id", "título", "texto"]);
        assert_eq!(documents(&table), ["Dijo: \"vuelve\".\nY volvió."]);
        assert_eq!(table.notices[0], Notice::RaggedRows { name: "a.csv".into(), count: 1, first_line: 5 });
    }

    #[test]
    fn a_table_without_a_header_keeps_its_first_row() {
        let table = parsed("2026-01-05,\"the gulls are early, again\"\n2026-01-06,low tide at four\n");
        assert_eq!(documents(&table), ["the gulls are early, again", "low tide at four"]);
        assert_eq!((table.field.as_deref(), table.fields.names.len()), (Some("2"), 2));
        assert_eq!(documents(&parsed("The gulls are early.\nThe bench, again, is gone.\n")).len(), 2);
    }

    #[test]
    fn columns_of_questions_and_answers_are_conversations() {
        let text =
            "id,prompt,completion\n1,Where is the oar?,By the door.\n2,Is it dry?,\n3,Why?,\"It is, as ever.\"\n";
        let table = parsed(text);
        assert_eq!((table.documents.len(), table.turns), (2, 4));
        assert_eq!(table.notices, [Notice::RecordsWithoutAnswer { name: "a.csv".into(), count: 1 }]);
        let plain = parse("a.csv", text.to_owned(), Some("completion")).unwrap();
        assert_eq!((documents(&plain), plain.conversational), (vec!["By the door.", "It is, as ever."], true));
        assert_eq!(parse("a.csv", text.to_owned(), Some(CONVERSATIONS)).unwrap().turns, 4);
        let worse = parsed("rejected,chosen\nI like turtles and the sea and all,It is.\n");
        assert_eq!((documents(&worse), worse.notices.len()), (vec!["It is."], 0));
        let none = parse("a.csv", "id,text\n1,a\n".to_owned(), Some(CONVERSATIONS)).unwrap_err();
        assert_eq!(none, Error::NothingToLearn);
    }

    #[test]
    fn a_notice_or_an_error_reports_text_that_is_not_read() {
        let row = |columns: usize| vec!["some words of it"; columns].join(",") + "\n";
        let table = |columns: usize| {
            let names: Vec<String> = (0..columns).map(|column| format!("c{column}")).collect();
            parse("a.csv", names.join(",") + "\n" + &row(columns).repeat(3), None)
        };
        assert_eq!(table(3).unwrap().notices, []);
        let elsewhere = Notice::TextElsewhere { name: "a.csv".into(), percent: 20, field: "c4".into() };
        assert_eq!(table(5).unwrap().notices, [elsewhere]);
        assert!(matches!(table(30).unwrap_err(), Error::FieldUnclear { percent: 3, .. }));
    }

    #[test]
    fn ragged_rows_that_have_the_column_are_read() {
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
    fn line_numbers_count_the_lines_within_cells() {
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
    fn columns_without_a_name_and_with_the_same_name_get_numbers() {
        let table = parsed(",text,text\n1,a,longer text\n");
        assert_eq!(table.fields.names, ["1", "text", "text.3"]);
        assert_eq!(documents(&table), ["longer text"]);
    }

    #[test]
    fn a_header_alone_has_no_text() {
        for text in ["text,label\n", "text", "text,label\n,\n \n", "sep=;\n", "sep=,\ntext,label\n"] {
            let error = parse("a.csv", text.to_owned(), None).unwrap_err();
            assert_eq!(error, Error::NoTextInFile { name: "a.csv".into() }, "{text}");
        }
    }
}
