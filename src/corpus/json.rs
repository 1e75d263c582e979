//! A JSON file: an array of strings or objects, an object that has such an array among its members, one object with its
//! text in a field, or JSON lines under another name.

use super::conversations::{self, Conversations};
use super::fields::{Amount, Fields, SAMPLE};
use super::jsonlines;
use super::parsed::Parsed;
use super::record::{self, Found};
use super::source::Notice;
use crate::error::{Error, Result};

pub fn parse(name: &str, text: String, wanted: Option<&str>) -> Result<Parsed> {
    if jsonlines::looks_like(&text) {
        return jsonlines::parse(name, text, wanted);
    }
    let lists =
        lists(&text).map_err(|error| Error::JsonInvalid { name: name.to_owned(), line: error.line() as u64 })?;
    if wanted.is_none()
        && let Some(parsed) = lists.iter().find_map(|list| list.conversations(name))
    {
        return Ok(parsed);
    }
    // The one that has the wanted field, otherwise the one with the most text.
    let has_wanted = |list: &List| wanted.is_some_and(|field| list.fields.position(field).is_some());
    let List { json, one, fields, .. } = lists
        .into_iter()
        .rev()
        .max_by_key(|list| (has_wanted(list), list.amount))
        .ok_or_else(|| Error::NoTextInFile { name: name.to_owned() })?;
    let field = wanted.map(str::to_owned).or_else(|| fields.likely().map(|likely| fields.name(likely).to_owned()));

    let (mut documents, mut without_text) = (Vec::new(), 0);
    let (mut kept, mut replaced) = (String::new(), 0);
    let mut read = |json: &str| {
        let start = kept.len();
        match record::read(json, field.as_deref(), &mut kept, &mut replaced) {
            Found::Text => documents.push(start..kept.len()),
            Found::NoText | Found::Broken => without_text += 1,
        }
    };
    if one {
        read(json);
    } else {
        record::each_element(json, &mut read)
            .map_err(|error| Error::JsonInvalid { name: name.to_owned(), line: error.line() as u64 })?;
    }
    let mut notices = Vec::new();
    if without_text > 0 {
        notices.push(Notice::RowsWithoutText { name: name.to_owned(), count: without_text });
    }
    kept.shrink_to_fit();
    Parsed { text: kept, documents, field, fields: fields.into_names(), notices, replaced, turns: 0, chat: None }
        .checked(name, wanted)
}

/// Values that may be the documents.
struct List<'a> {
    json: &'a str,
    /// The value itself is the only document; otherwise it is an array of them.
    one: bool,
    fields: Fields,
    amount: Amount,
}

impl<'a> List<'a> {
    fn array(json: &'a str) -> serde_json::Result<Self> {
        let (mut fields, mut strings) = (Fields::default(), Fields::default());
        let mut seen = 0;
        record::each_element(json, |element| {
            seen += 1;
            if seen <= SAMPLE {
                record::note_fields(element, &mut fields);
                if element.starts_with('"') {
                    strings.note("", element);
                }
            }
        })?;
        let amount = fields.amount().max(strings.amount()).of_all(seen);
        Ok(Self { json, one: false, fields, amount })
    }

    /// Its records, where most of them are conversations.
    fn conversations(&self, name: &str) -> Option<Parsed> {
        let mut records = Vec::new();
        match self.one {
            true => records.push(self.json),
            false => record::each_element(self.json, |element| records.push(element)).ok()?,
        }
        if !conversations::are_most(records.iter().copied()) {
            return None;
        }
        let mut found = Conversations::default();
        records.into_iter().for_each(|record| found.add(record));
        let fields = self.fields.names();
        Some(Parsed::conversations(name, found, fields, Vec::new()))
    }

    fn one(json: &'a str) -> Self {
        let mut fields = Fields::default();
        record::note_fields(json, &mut fields);
        let amount = fields.amount();
        Self { json, one: true, fields, amount }
    }
}

/// What may be the documents of this file. Checks all of its syntax.
fn lists(text: &str) -> serde_json::Result<Vec<List<'_>>> {
    match text.trim_start().as_bytes().first() {
        Some(b'[') => Ok(vec![List::array(text)?]),
        Some(b'{') => {
            let mut arrays = Vec::new();
            record::each_member(text, |_, value| {
                if value.starts_with('[') {
                    arrays.push(value);
                }
            })?;
            let arrays = arrays.into_iter().map(List::array);
            std::iter::once(Ok(List::one(text))).chain(arrays).collect()
        }
        _ => serde_json::from_str::<serde::de::IgnoredAny>(text).map(|_| vec![List::one(text)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str, wanted: Option<&str>) -> (Vec<String>, Option<String>) {
        let parsed = parse("a.json", text.to_owned(), wanted).unwrap();
        (parsed.documents.iter().map(|range| parsed.text[range.clone()].to_owned()).collect(), parsed.field)
    }

    #[test]
    fn arrays() {
        assert_eq!(documents(r#"["one", "", 2, "two"]"#, None), (vec!["one".into(), "two".into()], None));
        let objects = r#"
            [{"id": "0123456789", "content": "one"},
             {"id": "0123456789", "content": "two"}]"#;
        assert_eq!(documents(objects, None), (vec!["one".into(), "two".into()], Some("content".into())));
        assert_eq!(documents(objects, Some("id")).0.len(), 2);
    }

    #[test]
    fn an_array_within_an_object() {
        let text = r#"{"version": "one", "tags": ["a", "b"], "data": [{"body": "first of all"}, {"body": "b"}]}"#;
        assert_eq!(documents(text, None), (vec!["first of all".into(), "b".into()], Some("body".into())));
        assert_eq!(documents(text, Some("version")).0, ["one"]);
        assert_eq!(documents(r#"{"poems": ["one", "two"]}"#, None), (vec!["one".into(), "two".into()], None));
    }

    #[test]
    fn a_single_value() {
        assert_eq!(documents(r#"{"title": "t", "text": "all of it", "tags": ["x"]}"#, None).0, ["all of it"]);
        assert_eq!(documents(r#""only this""#, None).0, ["only this"]);
    }

    #[test]
    fn json_lines_under_another_name() {
        let text = "\n{\"text\": \"one\"}\n{\"text\": \"two\"}\nbroken\n";
        let parsed = parse("a.json", text.to_owned(), None).unwrap();
        assert_eq!(parsed.documents.len(), 2);
        let broken = Notice::JsonLinesBroken { name: "a.json".into(), count: 1, first_line: 4 };
        assert_eq!(parsed.notices, [broken]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let error = |text: &str| parse("a.json", text.to_owned(), None).unwrap_err();
        let name = || "a.json".to_owned();
        assert_eq!(error("[\n\"a\",\n]"), Error::JsonInvalid { name: name(), line: 3 });
        assert_eq!(error("\n\n{\"a\": [\"b\"}"), Error::JsonInvalid { name: name(), line: 3 });
        assert_eq!(error("words"), Error::JsonInvalid { name: name(), line: 1 });
        for nothing in ["[]", "{}", "7", "[1, 2]", "[[\"a\"]]", "{\"a\": 1}", "null"] {
            assert_eq!(error(nothing), Error::NoTextInFile { name: name() }, "{nothing}");
        }
    }
}
