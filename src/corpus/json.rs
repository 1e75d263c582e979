//! Reads a JSON file: an array of strings or objects, an object that contains such arrays, a table, a chat export, one
//! object with its text in a field, or several values one after the other.

use super::census::Census;
use super::conversations::{Conversations, Forms};
use super::fields::{Amount, Choice, SAMPLE};
use super::parsed::{CONVERSATIONS, Parsed, Share};
use super::pick::{Picker, Texts};
use super::source::Notice;
use super::{grid, jsonlines, latin1, table};
use crate::chat::messengers::{self, Talk};
use crate::chat::whatsapp::ChatOptions;
use crate::error::{Error, Result};
use crate::json::{Invalid, check_all, elements, members, mend, values};

/// Largest depth at which lists of records are searched.
const DEEPEST_LIST: usize = 3;

pub fn parse(name: &str, text: String, wanted: Option<&str>, chat: &ChatOptions) -> Result<Parsed> {
    if jsonlines::looks_like(&text) {
        return jsonlines::parse(name, text, wanted, false);
    }
    let text = valid(text).map_err(|invalid| error(name, invalid))?;
    read(name, text, wanted, chat)
}

/// Returns the text if it is valid JSON, if necessary after a repair.
pub fn valid(text: String) -> std::result::Result<String, Invalid> {
    let Err(invalid) = check_all(&text) else { return Ok(text) };
    let mended = mend(text);
    match check_all(&mended) {
        Ok(0) => Err(invalid),
        Ok(_) => Ok(mended),
        Err(invalid) => Err(invalid),
    }
}

pub fn error(name: &str, Invalid { line, column, reason }: Invalid) -> Error {
    Error::JsonInvalid { name: name.to_owned(), line, column, reason }
}

/// Reads a valid text.
pub fn read(name: &str, text: String, wanted: Option<&str>, chat: &ChatOptions) -> Result<Parsed> {
    if let Some(rows) = grid::rows(&text) {
        drop(text);
        return table::parse(name, rows, wanted);
    }
    let census = Census::of(&text);
    let names = census.names();
    let choice = |read: Option<&str>| Choice::of(names.iter().map(String::as_str), read);
    let several = values(&text).nth(1).is_some();
    let lists = lists(&text, several);
    let forms: Vec<Forms> = lists.iter().map(|list| Forms::of(list.records())).collect();
    let conversational = forms.iter().any(Forms::are_some);
    if wanted.is_none_or(|field| field == CONVERSATIONS) {
        let asked = wanted.is_some();
        let mut found = Conversations::default();
        for (list, _) in lists.iter().zip(&forms).filter(|(_, it)| it.are_most() || (asked && it.are_some())) {
            if found.text.capacity() == 0 {
                found = Conversations::with_room(census.room_for_turns());
            }
            list.records().for_each(|record| found.add(record));
        }
        if !found.documents.is_empty() {
            let letters = found.letters;
            let notice = Share { name, census: &census, letters, path: None, asked }.judge()?;
            drop(lists);
            drop(text);
            return Ok(Parsed::conversations(name, found, choice(None), notice.into_iter().collect()));
        }
        if let Some(parsed) = talks(name, &lists, &census, chat, asked)? {
            return Ok(Parsed { fields: choice(None), conversational: true, ..parsed });
        }
        if asked {
            return Err(Error::NothingToLearn);
        }
    }

    let place = match wanted {
        Some(field) => census.named_place(field),
        None => census.likely(),
    };
    let Some(place) = place else {
        return Parsed { fields: choice(None), ..Parsed::default() }.checked(name, wanted);
    };
    let read = census.read(place);
    let mut texts = Texts {
        text: String::with_capacity(read.amount.bytes as usize),
        documents: Vec::with_capacity(read.strings as usize),
        ..Texts::default()
    };
    Picker { path: &read.path, listed: several, latin1: census.is_latin1() }.pick(&text, &mut texts);
    drop(lists);
    drop(text);
    let letters = read.amount.letters;
    let asked = wanted.is_some();
    let notice = Share { name, census: &census, letters, path: Some(&read.path), asked }.judge()?;
    let Texts { mut text, documents, without_text, replaced, mended } = texts;
    text.shrink_to_fit();
    let mut notices: Vec<Notice> = notice.into_iter().collect();
    notices.extend(letters_mended(name, mended));
    if without_text > 0 {
        notices.push(Notice::RowsWithoutText { name: name.to_owned(), count: without_text });
    }
    let fields = choice(read.name.as_deref());
    Parsed { text, documents, field: read.name, fields, conversational, notices, replaced, ..Parsed::default() }
        .checked(name, wanted)
}

fn letters_mended(name: &str, count: u64) -> Option<Notice> {
    (count > 0).then(|| Notice::LettersMended { name: name.to_owned(), count })
}

/// The chats between people, if there are any.
fn talks(
    name: &str,
    lists: &[List<'_>],
    census: &Census,
    options: &ChatOptions,
    asked: bool,
) -> Result<Option<Parsed>> {
    let may_have = |list: &&List| list.records().take(SAMPLE).any(messengers::looks_like);
    let lists = lists.iter().filter(may_have);
    let mut talks: Vec<Talk> = lists.flat_map(|list| list.records().filter_map(messengers::talk)).collect();
    if talks.is_empty() {
        return Ok(None);
    }
    let mended = match census.is_latin1() {
        true => talks.iter_mut().map(|talk| talk.mend(latin1::mended)).sum(),
        false => 0,
    };
    let words = talks.iter().flat_map(Talk::words);
    let letters = words.map(|words| Amount::of(words).letters).sum();
    let notice = Share { name, census, letters, path: None, asked }.judge()?;
    let parsed = Parsed::of_chat(messengers::read(name, &talks, options)?);
    let notices = notice.into_iter().chain(letters_mended(name, mended)).collect();
    Ok(Some(Parsed { notices, ..parsed }))
}

/// A list of values that may be records.
struct List<'a> {
    json: &'a str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Values,
    Elements,
    Members,
}

impl<'a> List<'a> {
    fn records(&self) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match self.kind {
            Kind::Values => Box::new(values(self.json)),
            Kind::Elements => Box::new(elements(self.json)),
            Kind::Members => Box::new(members(self.json).map(|(_, value)| value)),
        }
    }
}

/// All candidates for a list of records: the values of the text, and the lists in them, outer lists first. A list
/// inside a record of another list is part of that record.
fn lists(text: &str, several: bool) -> Vec<List<'_>> {
    let mut found = vec![List { json: text, kind: Kind::Values }];
    let mut open: Vec<(&str, usize)> = Vec::new();
    if !several {
        open.extend(values(text).map(|value| (value, 0)));
    }
    while let Some((value, depth)) = open.pop() {
        if value.starts_with('[') {
            found.push(List { json: value, kind: Kind::Elements });
        } else if value.starts_with('{') && depth < DEEPEST_LIST {
            // The values may be records by id; those that contain lists are searched.
            let within = members(value).map(|(_, value)| value).filter(|value| value.starts_with(['[', '{']));
            let within: Vec<&str> = within.take(super::fields::MOST).collect();
            if within.len() > 1 && within.iter().all(|value| value.starts_with('{')) {
                found.push(List { json: value, kind: Kind::Members });
            }
            open.extend(within.into_iter().rev().map(|value| (value, depth + 1)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, wanted: Option<&str>) -> Result<Parsed> {
        parse("a.json", text.to_owned(), wanted, &ChatOptions::default())
    }

    fn documents(text: &str, wanted: Option<&str>) -> (Vec<String>, Option<String>) {
        let parsed = read(text, wanted).unwrap();
        (parsed.documents.iter().map(|range| parsed.text[range.clone()].to_owned()).collect(), parsed.field)
    }

    #[test]
    fn arrays_of_strings_and_objects_are_documents() {
        assert_eq!(documents(r#"["one", "", 2, "two"]"#, None), (vec!["one".into(), "two".into()], None));
        let objects = r#"
            [{"id": "0123456789", "content": "one"},
             {"id": "0123456789", "content": "two"}]"#;
        assert_eq!(documents(objects, None), (vec!["one".into(), "two".into()], Some("content".into())));
        assert_eq!(documents(objects, Some("id")).0.len(), 2);
    }

    #[test]
    fn an_array_within_an_object_is_found() {
        let text = r#"{"version": "one", "tags": ["a", "b"], "data": [{"body": "first of all"}, {"body": "b"}]}"#;
        assert_eq!(documents(text, None), (vec!["first of all".into(), "b".into()], Some("data.body".into())));
        assert_eq!(documents(text, Some("version")).0, ["one"]);
        assert_eq!(documents(text, Some("body")).0.len(), 2);
        assert_eq!(documents(r#"{"poems": ["one", "two"]}"#, None).0, ["one", "two"]);
    }

    #[test]
    fn a_single_value_is_one_document() {
        assert_eq!(documents(r#"{"title": "t", "text": "all of it", "tags": ["x"]}"#, None).0, ["all of it"]);
        assert_eq!(documents(r#""only this""#, None).0, ["only this"]);
    }

    #[test]
    fn json_lines_are_read_under_another_name() {
        let text = "\n{\"text\": \"one\"}\n{\"text\": \"two\"}\nbroken\n";
        let parsed = read(text, None).unwrap();
        assert_eq!(parsed.documents.len(), 2);
        let broken = Notice::JsonLinesBroken { name: "a.json".into(), count: 1, first_line: 4 };
        assert_eq!(parsed.notices, [broken]);
    }

    #[test]
    fn nearly_valid_json_is_repaired() {
        let shells = ["the first shell", "the second shell"];
        for text in [
            "{\n  \"text\": \"the first shell\"\n}\n{\n  \"text\": \"the second shell\"\n}\n",
            "[\n  {\"text\": \"the first shell\", \"n\": NaN},\n  {\"text\": \"the second shell\"},\n]\n",
            "// shells\n[{\"text\": \"the first shell\"}, /* and */ {\"text\": \"the second shell\", \"n\": -Infinity}]",
            "{\"text\": \"the first shell\"},\n{\"text\": \"the second shell\"},\n",
        ] {
            assert_eq!(documents(text, None).0, shells, "{text}");
        }
    }

    #[test]
    fn tables_of_pandas_are_read_as_tables() {
        let shells = ["the first shell", "the second shell"];
        for text in [
            r#"{"columns": ["id", "text"], "index": [0, 1], "data": [[11, "the first shell"], [12, "the second shell"]]}"#,
            r#"{"id": {"0": 11, "1": 12}, "text": {"0": "the first shell", "1": "the second shell"}}"#,
            r#"{"0": {"id": 11, "text": "the first shell"}, "1": {"id": 12, "text": "the second shell"}}"#,
            r#"{"schema": {"fields": [{"name": "index", "type": "integer"}, {"name": "text", "type": "string"}]},
                "data": [{"index": 0, "text": "the first shell"}, {"index": 1, "text": "the second shell"}]}"#,
            r#"[["id", "text"], [11, "the first shell"], [12, "the second shell"]]"#,
            r#"[[11, "the first shell"], [12, "the second shell"]]"#,
        ] {
            assert_eq!(documents(text, None).0, shells, "{text}");
        }
    }

    #[test]
    fn conversations_are_found_at_any_depth() {
        let pair = r#"{"prompt": "How many are there?", "completion": "Three."}"#;
        for text in [
            format!("[{pair}, {pair}]"),
            format!(r#"{{"version": "a long name of a version", "data": [{pair}, {pair}]}}"#),
            format!(r#"{{"data": {{"train": [{pair}], "test": [{pair}]}}}}"#),
            format!(r#"{{"a": {pair}, "b": {pair}}}"#),
        ] {
            assert_eq!(read(&text, None).unwrap().turns, 4, "{text}");
        }
    }

    #[test]
    fn a_whole_telegram_account_is_read_as_its_chats() {
        let message = |who, words| {
            format!(r#"{{"type": "message", "date": "2026-01-05T08:01:00", "from": "{who}", "text": "{words}"}}"#)
        };
        let chat = |a: String, b: String| format!(r#"{{"name": "x", "type": "t", "messages": [{a}, {b}]}}"#);
        let text = format!(
            r#"{{"about": "Here is all the data of this account.", "chats": {{"about": "Chats.", "list": [{}, {}]}}}}"#,
            chat(message("Nela", "the ferry leaves at nine"), message("Bo", "and comes back at ten")),
            chat(message("Nela", "is the sea calm today"), message("Cy", "it has been all week long")),
        );
        let parsed = read(&text, None).unwrap();
        assert_eq!((parsed.documents.len(), parsed.turns), (2, 4));
        assert_eq!(parsed.chat.unwrap().you, "Nela");
        assert_eq!(read(&text, Some("about")).unwrap().documents.len(), 1);
    }

    #[test]
    fn latin1_in_exports_of_meta_is_repaired() {
        let text =
            r#"{"posts": [{"post": "el jard\u00c3\u00adn"}, {"post": "ma\u00c3\u00b1ana \u00f0\u009f\u008c\u008a"}]}"#;
        let parsed = read(text, None).unwrap();
        assert_eq!(parsed.text, "el jardínmañana 🌊");
        assert_eq!(parsed.notices, [Notice::LettersMended { name: "a.json".into(), count: 2 }]);
        let right = r#"["el jardín", "Ã\u00b1 is how it looks"]"#;
        assert_eq!(read(right, None).unwrap().text, "el jardínÃ± is how it looks");
    }

    #[test]
    fn a_notice_or_an_error_reports_text_that_is_not_read() {
        let part = |number: usize| format!(r#""p{number}x": "some words of the part""#);
        let parts = |count: usize| (0..count).map(part).collect::<Vec<_>>().join(", ");
        assert_eq!(read(&format!("{{{}}}", parts(3)), None).unwrap().notices, []);
        let told = read(&format!("{{{}}}", parts(5)), None).unwrap();
        let elsewhere = Notice::TextElsewhere { name: "a.json".into(), percent: 20, field: "p1x".into() };
        assert_eq!(told.notices, [elsewhere]);
        let refused = read(&format!("{{{}}}", parts(30)), None).unwrap_err();
        let Error::FieldUnclear { percent, fields, .. } = refused else { panic!("{refused:?}") };
        assert_eq!((percent, fields.len(), fields[0].as_str()), (3, 30, "p0x"));
        // A field that was chosen is read without a notice.
        assert_eq!(read(&format!("{{{}}}", parts(30)), Some("p7x")).unwrap().notices, []);
        // The same holds for conversations that are a small part.
        let talk = r#"{"prompt": "Is it?", "completion": "It is.", "essay": ""#.to_owned();
        let mostly = format!("[{talk}{}\"}}]", "many more words ".repeat(40));
        assert!(matches!(read(&mostly, None), Err(Error::FieldUnclear { conversational: true, .. })));
        assert_eq!(read(&mostly, Some(CONVERSATIONS)).unwrap().turns, 2);
        // Titles are never the only text that is read.
        let export = r#"[{"title": "On lavender", "nodes": {"a7": {"say": {"it": ["How do I dry it without losing colour?"]}}}}]"#;
        assert_eq!(documents(export, None).0, ["How do I dry it without losing colour?"]);
    }

    #[test]
    fn errors_report_their_position() {
        let error = |text: &str| match read(text, None).unwrap_err() {
            Error::JsonInvalid { line, column, reason, .. } => (line, column, reason),
            other => panic!("{other:?}"),
        };
        assert_eq!(error("[\n\"a\" \"b\"\n]"), (2, 5, "expected `,` or `]`".into()));
        assert_eq!(error("\n\n{\"a\": [\"b\"}").0, 3);
        assert_eq!(error("words").0, 1);
        for nothing in ["[]", "{}", "7", "[1, 2]", "{\"a\": 1}", "null"] {
            assert_eq!(read(nothing, None).unwrap_err(), Error::NoTextInFile { name: "a.json".into() }, "{nothing}");
        }
    }
}
