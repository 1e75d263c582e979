//! Decodes JSON strings, and lists whose elements are pieces of one text.

use std::borrow::Cow;

use super::scan::{elements, members};

/// Decodes a JSON string piece by piece, and returns the number of unpaired surrogates that became U+FFFD: truncated
/// emoji are common in data sets, and no reason to drop a record.
pub fn pieces(string: &str, mut on_piece: impl FnMut(&str)) -> u64 {
    let inner = string.trim().strip_prefix('"').unwrap_or(string);
    let mut rest = inner.strip_suffix('"').unwrap_or(inner);
    let mut halves = 0;
    while let Some(at) = rest.find('\\') {
        if at > 0 {
            on_piece(&rest[..at]);
        }
        let (piece, length) = escaped(&rest[at + 1..]);
        halves += u64::from(piece.is_none());
        on_piece(piece.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut [0; 4]));
        rest = rest.get(at + 1 + length..).unwrap_or_default();
    }
    if !rest.is_empty() {
        on_piece(rest);
    }
    halves
}

/// The character after a backslash, `None` for an unpaired surrogate; and the length of its escape in bytes.
fn escaped(after: &str) -> (Option<char>, usize) {
    let simple = |character| (Some(character), 1);
    match after.as_bytes().first() {
        Some(b'n') => simple('\n'),
        Some(b't') => simple('\t'),
        Some(b'r') => simple('\r'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{C}'),
        Some(b'u') => {
            let unit = |at: usize| u16::from_str_radix(after.get(at..at + 4)?, 16).ok();
            let Some(first) = unit(1) else { return (None, 1) };
            let second = (after.get(5..7) == Some("\\u")).then(|| unit(7)).flatten();
            match char::decode_utf16([first, second.unwrap_or(0)]).next() {
                Some(Ok(character)) => (Some(character), if character.len_utf16() == 2 { 11 } else { 5 }),
                _ => (None, 5),
            }
        }
        // A quotation mark, a slash, a backslash.
        Some(_) => after.chars().next().map_or((None, 0), |character| (Some(character), character.len_utf8())),
        None => (None, 0),
    }
}

/// Decodes a JSON string; borrowed unless it has escapes.
pub fn string(json: &str) -> Cow<'_, str> {
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::new();
    pieces(json, |piece| text.push_str(piece));
    Cow::Owned(text)
}

/// The text of a value if it is a string.
pub fn read_string(value: &str) -> Option<Cow<'_, str>> {
    value.starts_with('"').then(|| string(value))
}

/// Types of message parts without spoken text: reasoning, tool calls and media.
const NO_WORDS: [&str; 8] = ["think", "reason", "tool", "function", "image", "audio", "video", "file"];

/// Calls `on_string` for the JSON strings of a list that is one text in pieces: strings, and objects with their text in
/// `text`. Returns whether there was an object among them.
pub fn parts<'a>(array: &'a str, mut on_string: impl FnMut(&'a str)) -> bool {
    let mut objects = false;
    for element in elements(array) {
        if element.starts_with('"') {
            on_string(element);
        } else if element.starts_with('{') {
            let (mut text, mut words) = (None, true);
            for (name, value) in members(element) {
                match name.as_ref() {
                    "text" if value.starts_with('"') => text = Some(value),
                    "type" => words = !NO_WORDS.iter().any(|kind| value.contains(kind)),
                    _ => {}
                }
            }
            if let Some(text) = text.filter(|_| words) {
                objects = true;
                on_string(text);
            }
        }
    }
    objects
}

/// The text of a value: a string, or a list of strings and of objects with `text`. Strings alone are lines; with
/// objects among them they are pieces of a line.
pub fn text_of(value: &str) -> Option<Cow<'_, str>> {
    if !value.starts_with('[') {
        return read_string(value);
    }
    let mut texts = Vec::new();
    let objects = parts(value, |text| texts.push(string(text)));
    (!texts.is_empty()).then(|| Cow::Owned(texts.join(if objects { "" } else { "\n" })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> (String, u64) {
        let mut text = String::new();
        let halves = pieces(json, |piece| text.push_str(piece));
        (text, halves)
    }

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(
            text(r#""a\u00f1o\r\n\"漢\" \ud83e\udd9c\/\\\t\b\f""#),
            ("año\r\n\"漢\" 🦜/\\\t\u{8}\u{c}".into(), 0)
        );
        assert_eq!(string(r#""plain ñ""#), Cow::Borrowed("plain ñ"));
    }

    #[test]
    fn an_unpaired_surrogate_is_replaced() {
        assert_eq!(text(r#""a\ud83eb\udd9c""#), ("a\u{FFFD}b\u{FFFD}".into(), 2));
        assert_eq!(text(r#""\ud83e\ud83e\udd9c""#), ("\u{FFFD}🦜".into(), 1));
        // U+D7FF is the last before the surrogates.
        assert_eq!(text(r#""\ud7ff\udfff\ud83e\n""#), ("\u{D7FF}\u{FFFD}\u{FFFD}\n".into(), 2));
    }

    #[test]
    fn every_escape_is_decoded_as_by_serde_json() {
        for json in [r#""\u0041\u00e9\u2028""#, r#""\"\\\/\b\f\n\r\t""#, r#""\ud83d\ude00 x""#, r#""""#] {
            assert_eq!(text(json).0, serde_json::from_str::<String>(json).unwrap());
        }
    }

    #[test]
    fn invalid_strings_do_not_panic() {
        for json in ["", "\"", "\"\\", "\"\\u12", "\"\\ud83e\\u", "\\ñ", "\"\\uñññ\""] {
            text(json);
        }
    }

    #[test]
    fn lists_of_parts_are_one_text() {
        let text = |value| text_of(value).map(Cow::into_owned);
        let telegram =
            r#"["look at ", {"type": "link", "text": "here"}, " and ", {"type": "bold", "text": "hurry"}, "!"]"#;
        assert_eq!(text(telegram).as_deref(), Some("look at here and hurry!"));
        assert_eq!(text(r#"["one", "two"]"#).as_deref(), Some("one\ntwo"));
        assert_eq!(
            text(r#"[{"type": "thinking", "text": "hm"}, {"type": "text", "text": "Yes."}]"#).as_deref(),
            Some("Yes.")
        );
        for nothing in ["[]", "7", "{}", "[1, {\"a\": 2}]", "null"] {
            assert_eq!(text(nothing), None, "{nothing}");
        }
    }
}
