//! Reads JSON Lines: one value per line. Invalid lines that cannot be repaired are left out and counted.

use std::borrow::Cow;

use super::census::Census;
use super::compact::Compact;
use super::conversations::{Conversations, Forms};
use super::fields::{Choice, SAMPLE};
use super::json;
use super::parsed::{CONVERSATIONS, Lines, Parsed, Share};
use super::pick::{Picker, Texts};
use super::source::Notice;
use crate::error::{Error, Result};
use crate::json::{Invalid, check, check_all, mend, values};

/// Statistics of all lines.
struct Look {
    census: Census,
    forms: Forms,
    filled: u64,
    broken: Lines,
    /// The error of the first broken line.
    invalid: Option<Invalid>,
}

/// `sampled`: only the first lines have all columns, because the page omits the columns of a table that are not read.
pub fn parse(name: &str, text: String, wanted: Option<&str>, sampled: bool) -> Result<Parsed> {
    let look = Look::at(&text, if sampled { SAMPLE } else { usize::MAX });
    if 2 * look.broken.count > look.filled {
        // Values may span several lines.
        return match json::valid(text) {
            Ok(text) if !sampled => json::read(name, text, wanted, &Default::default()),
            _ => Err(look.error(name)),
        };
    }
    let forms = &look.forms;
    if wanted == Some(CONVERSATIONS) || (wanted.is_none() && forms.are_most()) {
        let mut found = Conversations::with_room(if sampled { text.len() } else { look.census.room_for_turns() });
        each_value(&text, |value| {
            found.add(value);
            true
        });
        if !found.documents.is_empty() {
            let letters = if sampled { found.letters_of_sample } else { found.letters };
            let share = Share { name, census: &look.census, letters, path: None, asked: wanted.is_some() };
            let mut notices = look.notices(name);
            notices.extend(share.judge()?);
            drop(text);
            return Ok(Parsed::conversations(name, found, look.choice(None), notices));
        }
        if wanted.is_some() {
            return Err(Error::NothingToLearn);
        }
    }
    read_field(name, text, wanted, &look)
}

fn read_field(name: &str, text: String, wanted: Option<&str>, look: &Look) -> Result<Parsed> {
    let place = match wanted {
        Some(field) => look.census.named_place(field),
        None => look.census.likely(),
    };
    let Some(place) = place else { return look.nothing(name, wanted) };
    let read = look.census.read(place);
    let picker = Picker { path: &read.path, listed: true, latin1: false };
    let mut compact = Compact::new(text);
    let mut texts = Texts::default();
    let mut at = 0;
    while let Some(line) = line_at(compact.bytes(), at) {
        at += line.len() + 1;
        if let Ok(Some(value)) = usable(line) {
            picker.pick(&value, &mut texts);
            texts.documents.iter().for_each(|range| compact.keep(&texts.text[range.clone()], at - 1));
            texts.documents.clear();
            texts.text.clear();
        }
    }
    let (text, documents) = compact.finish();
    if documents.is_empty() {
        return look.nothing(name, wanted);
    }
    let share = Share {
        name,
        census: &look.census,
        letters: read.amount.letters,
        path: Some(&read.path),
        asked: wanted.is_some(),
    };
    let mut notices = look.notices(name);
    notices.extend(share.judge()?);
    if texts.without_text > 0 {
        notices.push(Notice::RowsWithoutText { name: name.to_owned(), count: texts.without_text });
    }
    let fields = look.choice(read.name.as_deref());
    let conversational = look.forms.are_some();
    let replaced = texts.replaced;
    Ok(Parsed { text, documents, field: read.name, fields, conversational, notices, replaced, ..Parsed::default() })
}

impl Look {
    fn at(text: &str, most: usize) -> Self {
        let mut look = Self {
            census: Census::default(),
            forms: Forms::default(),
            filled: 0,
            broken: Lines::default(),
            invalid: None,
        };
        let mut more_forms = true;
        for (number, line) in text.split('\n').enumerate() {
            let number = number as u64 + 1;
            match usable(line) {
                Ok(None) => continue,
                Ok(Some(value)) => {
                    if look.filled < most as u64 {
                        look.census.add(&value);
                    }
                    for value in values(&value) {
                        more_forms = more_forms && look.forms.note(value);
                    }
                }
                Err(invalid) => {
                    look.broken.note(number);
                    look.invalid.get_or_insert(Invalid { line: number, ..invalid });
                }
            }
            look.filled += 1;
        }
        look.census.finish();
        look
    }

    fn choice(&self, read: Option<&str>) -> Choice {
        Choice::of(self.census.names().iter().map(String::as_str), read)
    }

    fn notices(&self, name: &str) -> Vec<Notice> {
        let Lines { count, first } = self.broken;
        let notice = Notice::JsonLinesBroken { name: name.to_owned(), count, first_line: first };
        Some(notice).filter(|_| count > 0).into_iter().collect()
    }

    fn error(&self, name: &str) -> Error {
        let invalid = self.invalid.clone().unwrap_or(Invalid { line: 1, column: 1, reason: String::new() });
        json::error(name, invalid)
    }

    /// The error for a file without documents.
    fn nothing(&self, name: &str, wanted: Option<&str>) -> Result<Parsed> {
        if self.broken.count > 0 {
            return Err(self.error(name));
        }
        Parsed { fields: self.choice(None), ..Parsed::default() }.checked(name, wanted)
    }
}

/// The field that would be read by default from a file that begins with these lines; `None` if whole lines are the
/// text, as with conversations, or if no line has text. The page, which makes lines from a table on disk, then makes
/// them from that column alone.
pub fn likely_field(lines: &str) -> Option<String> {
    let look = Look::at(lines, usize::MAX);
    let read = look.census.read(look.census.likely()?);
    // A place below a column does not have the column's name.
    if look.forms.are_most() || look.forms.may_be() || read.path.len() != 1 { None } else { read.name }
}

/// The values of a line: `None` if it is blank; an error if it is not JSON even after a repair.
fn usable(line: &str) -> std::result::Result<Option<Cow<'_, str>>, Invalid> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(None);
    }
    let Err(invalid) = check(line) else { return Ok(Some(Cow::Borrowed(line))) };
    let mended = mend(line.to_owned());
    match check_all(&mended) {
        Ok(0) if line.starts_with('/') => Ok(None),
        Ok(0) => Err(invalid),
        Ok(_) => Ok(Some(Cow::Owned(mended))),
        Err(invalid) => Err(invalid),
    }
}

/// Calls `on_value` for the values of all lines until it returns false.
fn each_value(text: &str, mut on_value: impl FnMut(&str) -> bool) {
    for line in text.split('\n') {
        let Ok(Some(line)) = usable(line) else { continue };
        for value in values(&line) {
            if !on_value(value) {
                return;
            }
        }
    }
}

/// The line that begins at `at`, without its line ending.
fn line_at(bytes: &[u8], at: usize) -> Option<&str> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
    std::str::from_utf8(&rest[..end]).ok()
}

/// Whether a text is JSON Lines regardless of its name: its first line is a whole value and more lines follow.
pub fn looks_like(text: &str) -> bool {
    let mut filled = text.split('\n').filter(|line| !line.trim().is_empty());
    let first = filled.next();
    filled.next().is_some() && first.is_some_and(|line| check(line).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{FileReader, ReadOptions};

    fn parse(text: &str, wanted: Option<&str>) -> Result<Parsed> {
        super::parse("a.jsonl", text.to_owned(), wanted, false)
    }

    fn documents(parsed: &Parsed) -> Vec<&str> {
        parsed.documents.iter().map(|range| &parsed.text[range.clone()]).collect()
    }

    #[test]
    fn strings_and_objects_are_documents() {
        let text = "{\"id\": \"x\", \"text\": \"one\"}\n\n\"two\"\n  {\"text\": \"three\", \"id\": null}";
        let parsed = parse(text, None).unwrap();
        assert_eq!(documents(&parsed), ["one", "two", "three"]);
        assert_eq!(parsed.field.as_deref(), Some("text"));
        assert_eq!(parsed.fields.names, ["id", "text"]);
        assert_eq!(parsed.notices, []);
    }

    #[test]
    fn broken_lines_are_counted_and_the_rest_is_read() {
        let text = "{\"text\": \"a\"}\n\n{\"text\": \"b\"\n{\"text\": \"c\"}\nnot json\n{\"text\": 5}\n7\n";
        let parsed = parse(text, None).unwrap();
        assert_eq!(documents(&parsed), ["a", "c"]);
        let name = "a.jsonl".to_owned();
        let expected = [
            Notice::JsonLinesBroken { name: name.clone(), count: 2, first_line: 3 },
            Notice::RowsWithoutText { name, count: 2 },
        ];
        assert_eq!(parsed.notices, expected);
    }

    #[test]
    fn nearly_valid_lines_are_repaired() {
        let text = "// shells\n{\"text\": \"a\", \"n\": NaN},\n{\"text\": \"b\",}\n{\"text\": \"c\"} {\"text\": \"d\"} // end\n";
        let parsed = parse(text, None).unwrap();
        assert_eq!((documents(&parsed), parsed.notices.len()), (vec!["a", "b", "c", "d"], 0));
    }

    #[test]
    fn values_over_several_lines_are_read() {
        let text = "{\n  \"text\": \"the first\"\n}\n{\n  \"text\": \"the second\"\n}\n";
        assert_eq!(documents(&parse(text, None).unwrap()), ["the first", "the second"]);
    }

    #[test]
    fn a_file_with_mostly_broken_lines_is_refused() {
        let text = "{\"text\": \"a\"}\n{\"text\": 'b'}\n{\"text\": 'c'}\n";
        let error = parse(text, None).unwrap_err();
        let Error::JsonInvalid { line, column, reason, .. } = error else { panic!("{error:?}") };
        assert_eq!((line, column, reason.as_str()), (2, 10, "expected value"));
    }

    #[test]
    fn a_file_without_a_usable_line_is_refused_with_the_reason() {
        let error = |text: &str, wanted| parse(text, wanted).unwrap_err();
        let name = || "a.jsonl".to_owned();
        assert!(matches!(error("\nbroken\n{}", None), Error::JsonInvalid { line: 2, column: 1, .. }));
        assert_eq!(error("{}\n[]\n7", None), Error::NoTextInFile { name: name() });
        let missing = Error::FieldMissing { name: name(), field: "b".into(), fields: vec!["a".into()] };
        assert_eq!(error("{\"a\": \"x\"}", Some("b")), missing);
        assert_eq!(error("{\"a\": \" \"}", Some("a")), Error::NoTextInFile { name: name() });
    }

    #[test]
    fn a_field_that_only_a_late_record_has_can_be_read() {
        let text = "{\"a\": \"x\"}\n".repeat(60) + "{\"late\": \"here\"}";
        assert_eq!(documents(&parse(&text, Some("late")).unwrap()), ["here"]);
    }

    #[test]
    fn conversations_with_few_answers_are_still_conversations() {
        let alone = r#"{"messages": [{"role": "user", "content": "Nobody answers this."}], "source": "web"}"#;
        let both = r#"{"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "Here."}], "source": "web"}"#;
        let text = format!("{{\"messages\": null, \"source\": \"web\"}}\n{alone}\n{alone}\n{alone}\n{both}\n");
        let parsed = parse(&text, None).unwrap();
        assert_eq!((parsed.documents.len(), parsed.turns), (1, 2));
        assert_eq!(parsed.notices[0], Notice::RecordsWithoutAnswer { name: "a.jsonl".into(), count: 4 });
        // Both can always be chosen.
        let mixed = format!("{}{both}\n", "{\"text\": \"a plain record\"}\n".repeat(9));
        let plain = parse(&mixed, None).unwrap();
        assert_eq!((plain.turns, plain.conversational), (0, true));
        assert_eq!(parse(&mixed, Some(CONVERSATIONS)).unwrap().turns, 2);
        assert_eq!(parse("{\"text\": \"a\"}", Some(CONVERSATIONS)).unwrap_err(), Error::NothingToLearn);
    }

    #[test]
    fn rejected_answers_are_read_only_on_request() {
        let line = r#"{"rejected": "I like turtles more than anything in the world.", "chosen": "It is."}"#;
        let parsed = parse(&format!("{line}\n{line}\n"), None).unwrap();
        assert_eq!((parsed.field.as_deref(), documents(&parsed)), (Some("chosen"), vec!["It is.", "It is."]));
    }

    #[test]
    fn the_likely_field_of_the_first_lines_is_read_by_default() {
        let lines = "{\"url\": \"http://example.org/a/b\", \"story\": \"once upon a time there was a harbour\"}\n"
            .repeat(SAMPLE + 1);
        let likely = likely_field(&lines);
        assert_eq!(likely.as_deref(), Some("story"));
        assert_eq!(parse(&lines, None).unwrap().field, likely);
        assert_eq!(likely_field("{\"count\": 7}\n\"bare\"\n"), None);
        assert_eq!(likely_field("{\"id\": \"a\", \"messages\": null}\n"), None);
    }

    #[test]
    fn rows_of_a_parquet_file_are_read_as_json_lines() {
        let mut reader = FileReader::new("Shelf.PARQUET", ReadOptions::default());
        reader.push(b"{\"title\":\"one\"}\n{\"title\":\"two\"}\n").unwrap();
        let source = reader.finish().unwrap();
        assert_eq!(source.documents().collect::<Vec<_>>(), ["one", "two"]);
    }
}
