//! Extracts the texts at one place of a JSON file, one document each.

use std::ops::Range;

use super::census::{Path, Step};
use super::latin1;
use super::newlines::Newlines;
use crate::json::{Event, Scanner, members, parts, pieces, string, values};

/// The texts extracted so far.
#[derive(Debug, Default)]
pub struct Texts {
    pub text: String,
    pub documents: Vec<Range<usize>>,
    /// Number of records without text at that place.
    pub without_text: u64,
    /// Number of unpaired surrogates that became U+FFFD.
    pub replaced: u64,
    /// Number of texts that were UTF-8 decoded as Latin-1.
    pub mended: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Picker<'p> {
    pub path: &'p Path,
    /// The values are records of a list already: lists in them are pieces of one text.
    pub listed: bool,
    /// The text is UTF-8 that was decoded as Latin-1.
    pub latin1: bool,
}

/// An object or list that encloses the next value.
struct Around {
    object: bool,
    /// The number of steps of the path that lead here, if it is on the path.
    matched: Option<usize>,
    /// Whether it was counted, as a document or as a record without text.
    accounted: bool,
    /// The index of the document that its own member became.
    own: Option<usize>,
}

impl Picker<'_> {
    /// Extracts the texts from the values of a valid text.
    pub fn pick(&self, text: &str, into: &mut Texts) {
        for value in values(text) {
            self.pick_value(value, into);
        }
    }

    fn pick_value(&self, text: &str, into: &mut Texts) {
        let all = self.path.len();
        let mut scanner = Scanner::new(text);
        let mut around: Vec<Around> = Vec::new();
        let mut lists = usize::from(self.listed);
        let mut matched = Some(0);
        while let Some(event) = scanner.next() {
            let here = around.last();
            let within_list = here.is_none_or(|it| !it.object);
            match event {
                Event::Name(range) => {
                    let step = here.and_then(|it| it.matched).and_then(|at| Some((at, self.path.get(at)?)));
                    let found = step.filter(|(_, step)| leads(step, &text[range]));
                    matched = found.map(|(at, _)| at + 1);
                    continue;
                }
                // A string among records is a text, too.
                Event::String(range) if matched == Some(all) || (matched == Some(0) && within_list) => {
                    let added = self.add(&[&text[range]], "", into);
                    self.account(&mut around, added, within_list, into);
                }
                Event::Array if matched == Some(all) => {
                    let start = scanner.at - 1;
                    let mut within = scanner.clone();
                    end_of(&mut within);
                    let array = &text[start..within.at];
                    let mut strings = Vec::new();
                    let as_pieces = lists > 0 || is_mixed(array);
                    let objects = as_pieces && parts(array, |string| strings.push(string));
                    if as_pieces {
                        scanner = within;
                        let added = self.add(&strings, if objects { "" } else { "\n" }, into);
                        self.account(&mut around, added, within_list, into);
                    } else {
                        lists += 1;
                        around.push(Around { object: false, matched, accounted: false, own: None });
                        continue;
                    }
                }
                Event::Object if matched == Some(all) && all > 0 => {
                    let start = scanner.at - 1;
                    end_of(&mut scanner);
                    let found = members(&text[start..scanner.at])
                        .find(|(name, value)| name == "text" && value.starts_with('"'));
                    let added = found.is_some_and(|(_, value)| self.add(&[value], "", into));
                    self.account(&mut around, added, within_list, into);
                }
                Event::Object | Event::Array => {
                    lists += usize::from(event == Event::Array);
                    around.push(Around { object: event == Event::Object, matched, accounted: false, own: None });
                    continue;
                }
                Event::End => {
                    let Some(ended) = around.pop() else { continue };
                    lists -= usize::from(!ended.object);
                    let missed = ended.object && ended.matched.is_some() && !ended.accounted;
                    into.without_text += u64::from(missed);
                    if let Some(parent) = around.last_mut() {
                        parent.accounted |= ended.accounted || missed;
                    }
                }
                Event::String(_) | Event::Other(_) => {
                    let record = within_list && (matched == Some(0) || matched == Some(all));
                    into.without_text += u64::from(record);
                    if let Some(here) = around.last_mut() {
                        here.accounted |= record;
                    }
                }
            }
            matched = around.last().map_or(Some(0), |it| it.matched);
        }
    }

    /// Adds a document of JSON strings; returns false if it would be blank.
    fn add(&self, strings: &[&str], between: &str, into: &mut Texts) -> bool {
        let start = into.text.len();
        let (mut newlines, mut replaced) = (Newlines::default(), 0);
        for (number, json) in strings.iter().enumerate() {
            if number > 0 {
                newlines.push(&mut into.text, between);
            }
            replaced += pieces(json, |piece| newlines.push(&mut into.text, piece));
        }
        if self.latin1
            && let Some(mended) = latin1::mended(&into.text[start..])
        {
            into.text.truncate(start);
            into.text.push_str(&mended);
            into.mended += 1;
        }
        if into.text[start..].trim().is_empty() {
            into.text.truncate(start);
            return false;
        }
        into.replaced += replaced;
        into.documents.push(start..into.text.len());
        true
    }

    /// Counts a value as a document, or as a record without text.
    fn account(&self, around: &mut [Around], added: bool, within_list: bool, into: &mut Texts) {
        let last = into.documents.len().saturating_sub(1);
        into.without_text += u64::from(!added && within_list);
        let Some(here) = around.last_mut() else { return };
        if here.object && added && matches!(self.path.last(), Some(Some(_))) {
            // Of duplicate names the last one counts.
            if let Some(before) = here.own.filter(|before| before + 1 == last) {
                let (kept, again) = (into.documents[before].start, into.documents[last].clone());
                into.text.drain(kept..again.start);
                into.documents.truncate(before);
                into.documents.push(kept..into.text.len());
            }
            here.own = Some(into.documents.len() - 1);
        }
        here.accounted |= added || within_list;
    }
}

fn leads(step: &Step, name: &str) -> bool {
    step.as_ref().is_none_or(|wanted| string(name) == wanted.as_str())
}

/// Skips to the end of the object or list that has just begun.
fn end_of(scanner: &mut Scanner<'_>) {
    let mut depth = 1;
    while depth > 0 {
        match scanner.next() {
            Some(Event::Object | Event::Array) => depth += 1,
            Some(Event::End) => depth -= 1,
            Some(_) => {}
            None => return,
        }
    }
}

/// Whether a list consists of strings and objects with text, and so is always one text.
fn is_mixed(array: &str) -> bool {
    let mut strings = false;
    let objects = parts(array, |_| strings = true);
    objects && strings && crate::json::elements(array).any(|element| element.starts_with('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(json: &str, path: &[&str], listed: bool) -> (Vec<String>, u64) {
        let path = path.iter().map(|name| (*name != "*").then(|| (*name).to_owned())).collect();
        let mut texts = Texts::default();
        Picker { path: &path, listed, latin1: false }.pick(json, &mut texts);
        (texts.documents.iter().map(|range| texts.text[range.clone()].to_owned()).collect(), texts.without_text)
    }

    fn is(found: (Vec<String>, u64), documents: &[&str], without_text: u64) {
        assert_eq!(
            (found.0.iter().map(String::as_str).collect::<Vec<_>>(), found.1),
            (documents.to_vec(), without_text)
        );
    }

    #[test]
    fn texts_are_extracted_from_a_member_of_each_record() {
        let records =
            r#"[{"id": "x", "te\u0078t": "año\r\n\"漢\" 🦜"}, {"text": " "}, {"id": "y"}, "bare", 7, {"text": 7}]"#;
        is(picked(records, &["text"], false), &["año\n\"漢\" 🦜", "bare"], 4);
        is(picked(r#"{"text": "first", "text": "last"}"#, &["text"], true), &["last"], 0);
        is(picked(r#"{"a": {"text": "not this"}, "b": {"text": "this"}}"#, &["b", "text"], true), &["this"], 0);
    }

    #[test]
    fn outer_lists_are_documents_and_inner_lists_are_texts_in_pieces() {
        is(picked(r#"["one", "", 2, "two"]"#, &[], false), &["one", "two"], 2);
        is(picked(r#"{"poems": ["one", "two"]}"#, &["poems"], false), &["one", "two"], 0);
        is(picked(r#"{"poems": ["one", "two"]}"#, &["poems"], true), &["one\ntwo"], 0);
        is(picked(r#"[{"lines": ["one", "two"]}, {"lines": []}]"#, &["lines"], false), &["one\ntwo"], 1);
        let rich = r#"{"text": ["see ", {"type": "link", "text": "it"}, "!"]}"#;
        is(picked(rich, &["text"], false), &["see it!"], 0);
        is(picked(r#"[["a", "b"], ["c"]]"#, &[], false), &["a\nb", "c"], 0);
    }

    #[test]
    fn deep_places_are_reached_through_lists_and_wildcards() {
        let json = r#"{"chats": {"list": [{"messages": [{"text": "a"}, {"text": ""}, {}]}, {"messages": []}]}}"#;
        is(picked(json, &["chats", "list", "messages", "text"], false), &["a"], 3);
        is(picked(r#"{"u": {"0": "a", "1": "b"}}"#, &["u", "*"], false), &["a", "b"], 0);
    }

    #[test]
    fn latin1_is_repaired() {
        let path = vec![Some("content".to_owned())];
        let mut texts = Texts::default();
        let json = r#"[{"content": "jard\u00c3\u00adn"}, {"content": "plain"}]"#;
        Picker { path: &path, listed: false, latin1: true }.pick(json, &mut texts);
        assert_eq!((texts.text.as_str(), texts.mended), ("jardínplain", 1));
    }
}
