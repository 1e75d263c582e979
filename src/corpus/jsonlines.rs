//! JSON lines: a string or an object on each line. Lines that are neither are left out and counted.

use super::compact::Compact;
use super::conversations::{self, Conversations};
use super::fields::{Fields, SAMPLE};
use super::parsed::{Lines, Parsed};
use super::record::{self, Found};
use super::source::Notice;
use crate::error::{Error, Result};

pub fn parse(name: &str, text: String, wanted: Option<&str>) -> Result<Parsed> {
    let fields = fields_of(&text);
    let field = wanted.map(str::to_owned).or_else(|| likely(&fields));

    let records = || text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    if wanted.is_none() && conversations::are_most(records().map(|(_, line)| line)) {
        let (mut found, mut broken) = (Conversations::default(), Lines::default());
        for (number, line) in records() {
            if record::is_valid(line) {
                found.add(line);
            } else {
                broken.note(number as u64 + 1);
            }
        }
        return Ok(Parsed::conversations(name, found, fields.into_names(), broken_lines(name, broken)));
    }

    let (mut document, mut replaced) = (String::new(), 0);
    let mut compact = Compact::new(text);
    let (mut broken, mut without_text) = (Lines::default(), 0);
    let (mut line, mut at) = (0, 0);
    while let Some(json) = line_at(compact.bytes(), at) {
        line += 1;
        at += json.len() + 1;
        if json.trim().is_empty() {
            continue;
        }
        document.clear();
        match record::read(json, field.as_deref(), &mut document, &mut replaced) {
            Found::Text => compact.keep(&document, at - 1),
            Found::NoText => without_text += 1,
            Found::Broken => broken.note(line),
        }
    }

    let (text, documents) = compact.finish();
    if documents.is_empty() && broken.count > 0 {
        return Err(Error::JsonInvalid { name: name.to_owned(), line: broken.first });
    }
    let mut notices = broken_lines(name, broken);
    if without_text > 0 {
        notices.push(Notice::RowsWithoutText { name: name.to_owned(), count: without_text });
    }
    let fields = fields.into_names();
    Parsed { text, documents, field, fields, notices, replaced, turns: 0, chat: None }.checked(name, wanted)
}

fn broken_lines(name: &str, Lines { count, first }: Lines) -> Vec<Notice> {
    let notice = Notice::JsonLinesBroken { name: name.to_owned(), count, first_line: first };
    Some(notice).filter(|_| count > 0).into_iter().collect()
}

/// The field that would be read of a file that begins with these lines, where nobody says which; none if whole lines
/// count, as those of conversations do, or no line has text. Who makes the lines, from a table on disk, need not make them
/// of all its columns.
pub fn likely_field(lines: &str) -> Option<String> {
    let filled = lines.lines().filter(|line| !line.trim().is_empty());
    if conversations::are_most(filled) {
        return None;
    }
    likely(&fields_of(lines))
}

fn fields_of(text: &str) -> Fields {
    let mut fields = Fields::default();
    let filled = text.lines().filter(|line| !line.trim().is_empty());
    filled.take(SAMPLE).for_each(|line| record::note_fields(line, &mut fields));
    fields
}

fn likely(fields: &Fields) -> Option<String> {
    fields.likely().map(|likely| fields.name(likely).to_owned())
}

/// The line that begins at `at`, without its end.
fn line_at(bytes: &[u8], at: usize) -> Option<&str> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()
}

/// Is this text JSON lines, whatever the file is called? So it is if its first line is a whole value and more follow.
pub fn looks_like(text: &str) -> bool {
    let mut filled = text.lines().filter(|line| !line.trim().is_empty());
    filled.next().is_some_and(record::is_valid) && filled.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{FileReader, ReadOptions};

    fn documents(parsed: &Parsed) -> Vec<&str> {
        parsed.documents.iter().map(|range| &parsed.text[range.clone()]).collect()
    }

    #[test]
    fn strings_and_objects_are_documents() {
        let text = "{\"id\": \"x\", \"text\": \"one\"}\n\n\"two\"\n  {\"text\": \"three\", \"id\": null}";
        let parsed = parse("a.jsonl", text.to_owned(), None).unwrap();
        assert_eq!(documents(&parsed), ["one", "two", "three"]);
        assert_eq!(parsed.field.as_deref(), Some("text"));
        assert_eq!(parsed.fields, ["id", "text"]);
        assert_eq!(parsed.notices, []);
    }

    #[test]
    fn broken_lines_are_counted_and_the_rest_is_used() {
        let text = "{\"text\": \"a\"}\n\n{\"text\": \"b\"\n{\"text\": \"c\"}\nnot json\n{\"text\": 5}\n7\n";
        let parsed = parse("a.jsonl", text.to_owned(), None).unwrap();
        assert_eq!(documents(&parsed), ["a", "c"]);
        let name = "a.jsonl".to_owned();
        let expected = [
            Notice::JsonLinesBroken { name: name.clone(), count: 2, first_line: 3 },
            Notice::RowsWithoutText { name, count: 2 },
        ];
        assert_eq!(parsed.notices, expected);
    }

    #[test]
    fn without_a_usable_line_the_error_says_why() {
        let error = |text: &str, wanted| parse("a.jsonl", text.to_owned(), wanted).unwrap_err();
        let name = || "a.jsonl".to_owned();
        assert_eq!(error("\nbroken\n{}", None), Error::JsonInvalid { name: name(), line: 2 });
        assert_eq!(error("{}\n[]\n7", None), Error::NoTextInFile { name: name() });
        let missing = Error::FieldMissing { name: name(), field: "b".into(), fields: vec!["a".into()] };
        assert_eq!(error("{\"a\": \"x\"}", Some("b")), missing);
        assert_eq!(error("{\"a\": \" \"}", Some("a")), Error::NoTextInFile { name: name() });
    }

    #[test]
    fn a_field_that_comes_late_is_found() {
        let text = "{\"a\": \"x\"}\n".repeat(60) + "{\"late\": \"here\"}";
        let parsed = parse("a.jsonl", text, Some("late")).unwrap();
        assert_eq!(documents(&parsed), ["here"]);
    }

    #[test]
    fn the_likely_field_of_the_first_lines_is_the_one_that_is_read() {
        let lines = "{\"url\": \"http://example.org/a/b\", \"story\": \"once upon a time there was a harbour\"}\n"
            .repeat(SAMPLE + 1);
        let likely = likely_field(&lines);
        assert_eq!(likely.as_deref(), Some("story"));
        assert_eq!(parse("a.jsonl", lines, None).unwrap().field, likely);
        assert_eq!(likely_field("{\"count\": 7}\n\"bare\"\n"), None);
    }

    #[test]
    fn the_rows_of_a_parquet_file_come_as_lines() {
        let mut reader = FileReader::new("Shelf.PARQUET", ReadOptions::default());
        reader.push(b"{\"text\":\"one\"}\n{\"text\":\"two\"}\n").unwrap();
        assert_eq!(reader.finish().unwrap().documents().collect::<Vec<_>>(), ["one", "two"]);
    }
}
