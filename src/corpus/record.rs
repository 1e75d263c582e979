//! One JSON value and the text in it: a string is its own text, an object has it in a field.
//!
//! Values stay unparsed slices of the file (`RawValue`) until it is known that their text is wanted.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Fields;
use super::newlines::Newlines;

/// What a value holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Text,
    NoText,
    /// No JSON.
    Broken,
}

/// Appends the text of a value; of an object that of `field`, the last one where it comes twice. Adds to `replaced` the
/// escaped halves of surrogate pairs that became U+FFFD.
pub fn read(json: &str, field: Option<&str>, into: &mut String, replaced: &mut u64) -> Found {
    let string = match json.trim_start().as_bytes().first() {
        Some(b'"') => Some(json),
        Some(b'{') => {
            let mut member = None;
            let walked = each_member(json, |name, value| {
                if field == Some(name) {
                    member = Some(value);
                }
            });
            if walked.is_err() {
                return Found::Broken;
            }
            member.filter(|value| value.starts_with('"'))
        }
        _ if is_valid(json) => None,
        _ => return Found::Broken,
    };
    let Some(string) = string else { return Found::NoText };
    let start = into.len();
    let found = match unescape(string, into) {
        Ok(_) if into[start..].trim().is_empty() => Found::NoText,
        Ok(halves) => {
            *replaced += halves;
            Found::Text
        }
        Err(_) => Found::Broken,
    };
    if found != Found::Text {
        into.truncate(start);
    }
    found
}

/// Notes the fields of a value that hold text.
pub fn note_fields(json: &str, fields: &mut Fields) {
    if !json.trim_start().starts_with('{') {
        return;
    }
    let mut noted = Vec::new();
    let walked = each_member(json, |name, value| {
        if let Some(text) = value.strip_prefix('"') {
            noted.push((name.to_owned(), text));
        }
    });
    if walked.is_ok() {
        noted.iter().for_each(|(name, text)| fields.note(name, text));
    }
}

pub fn is_valid(json: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(json).is_ok()
}

/// Walks over an object's members, each a name and the JSON of its value.
pub fn each_member<'a>(json: &'a str, on_member: impl FnMut(&str, &'a str)) -> serde_json::Result<()> {
    let mut parser = serde_json::Deserializer::from_str(json);
    parser.deserialize_map(Members(on_member))?;
    parser.end()
}

/// Walks over an array's elements, each as JSON.
pub fn each_element<'a>(json: &'a str, on_element: impl FnMut(&'a str)) -> serde_json::Result<()> {
    let mut parser = serde_json::Deserializer::from_str(json);
    parser.deserialize_seq(Elements(on_element))?;
    parser.end()
}

struct Members<F>(F);

impl<'de, F: FnMut(&str, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Name(name), value)) = map.next_entry::<Name, &RawValue>()? {
            (self.0)(&name, value.get());
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de str)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&RawValue>()? {
            (self.0)(value.get());
        }
        Ok(())
    }
}

/// A member's name, borrowed unless it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Appends the text of a JSON string, and tells how many of its characters had to be replaced.
fn unescape(json: &str, into: &mut String) -> serde_json::Result<u64> {
    let mut parser = serde_json::Deserializer::from_str(json);
    let replaced = parser.deserialize_bytes(Text(into))?;
    parser.end()?;
    Ok(replaced)
}

/// Takes a string as bytes, as serde_json then lets "\ud83d" without its other half pass: cut-off emoji are common in
/// data sets, and no reason to lose a line. Takes it at once to its place, as a string can be as long as its file.
struct Text<'t>(&'t mut String);

impl Visitor<'_> for Text<'_> {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<u64, E> {
        self.0.reserve(bytes.len());
        let mut newlines = Newlines::default();
        let mut push = |bytes| std::str::from_utf8(bytes).map(|text| newlines.push(self.0, text)).map_err(E::custom);
        // Half a surrogate pair comes as ED A0 80 to ED BF BF, which UTF-8 forbids. U+FFFD is three bytes, too, so a
        // text never becomes longer than its JSON.
        let is_half = |at: &usize| bytes[*at] == 0xED && bytes.get(at + 1).is_some_and(|&next| next >= 0xA0);
        let (mut start, mut replaced) = (0, 0);
        while let Some(half) = (start..bytes.len()).find(is_half) {
            push(&bytes[start..half])?;
            push("\u{FFFD}".as_bytes())?;
            replaced += 1;
            start = bytes.len().min(half + 3);
        }
        push(&bytes[start..])?;
        Ok(replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(json: &str) -> (Found, String, u64) {
        let (mut text, mut replaced) = (String::from("before, "), 0);
        let found = read(json, Some("text"), &mut text, &mut replaced);
        (found, text.split_off("before, ".len()), replaced)
    }

    #[test]
    fn strings_and_fields_are_unescaped() {
        let expected = (Found::Text, "año\n\"漢\" 🦜".to_owned(), 0);
        assert_eq!(text_of(r#" "a\u00f1o\r\n\"漢\" \ud83e\udd9c" "#), expected);
        assert_eq!(text_of(r#"{"id": 1, "te\u0078t": "a\u00f1o\n\"漢\" 🦜", "tags": [["x"]]}"#), expected);
    }

    #[test]
    fn half_a_pair_is_replaced() {
        assert_eq!(text_of(r#""a\ud83eb\udd9c""#), (Found::Text, "a\u{FFFD}b\u{FFFD}".to_owned(), 2));
        // U+D7FF is the last before the surrogates and begins with ED, too.
        assert_eq!(text_of(r#"{"text": "\ud7ff\udfff"}"#), (Found::Text, "\u{D7FF}\u{FFFD}".to_owned(), 1));
    }

    #[test]
    fn what_has_no_text() {
        for json in ["{}", "[]", "7", "null", r#""""#, r#"" \n""#, r#"{"text": 7}"#, r#"{"other": "a"}"#, r#"["text"]"#]
        {
            assert_eq!(text_of(json).0, Found::NoText, "{json}");
        }
    }

    #[test]
    fn what_is_no_json() {
        let deep = "[".repeat(100_000);
        for json in
            ["", "{", r#"{"text": "a""#, r#"{"text": "a"} x"#, r#""a" "b""#, r#""\x""#, "nul", "01", "'a'", &deep]
        {
            assert_eq!(text_of(json).0, Found::Broken, "{json}");
        }
    }
}
