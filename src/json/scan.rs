//! Scans a valid JSON text, token by token. Its only state is the position, whatever the depth.

use std::borrow::Cow;
use std::ops::Range;

use super::text::string;

/// An event of the scanner. Ranges include the quotation marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A member's name; its value comes next.
    Name(Range<usize>),
    /// A string value.
    String(Range<usize>),
    /// A number, true, false or null.
    Other(Range<usize>),
    /// An object begins.
    Object,
    /// An array begins.
    Array,
    /// Ends the innermost object or array.
    End,
}

/// Scans a JSON text event by event, without building a tree.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    /// The position of the next event.
    pub at: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at the beginning of the text.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Skips to the end of the value that begins with this event.
    fn skip(&mut self, first: &Event) {
        let mut depth = usize::from(matches!(first, Event::Object | Event::Array));
        while depth > 0 {
            match self.next() {
                Some(Event::Object | Event::Array) => depth += 1,
                Some(Event::End) => depth -= 1,
                Some(_) => {}
                None => return,
            }
        }
    }

    /// The whole next value; `None` at the end of an object, an array or the text.
    fn value(&mut self) -> Option<&'a str> {
        let event = self.next()?;
        let start = match &event {
            Event::End | Event::Name(_) => return None,
            Event::Object | Event::Array => self.at - 1,
            Event::String(range) | Event::Other(range) => {
                return self.text.get(range.clone());
            }
        };
        self.skip(&event);
        self.text.get(start..self.at)
    }
}

impl Iterator for Scanner<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let bytes = self.text.as_bytes();
        loop {
            let start = self.at;
            let byte = *bytes.get(start)?;
            self.at += 1;
            return Some(match byte {
                b'"' => {
                    let end = end_of_string(bytes, self.at);
                    self.at = end;
                    while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
                        self.at += 1;
                    }
                    if bytes.get(self.at) == Some(&b':') {
                        self.at += 1;
                        Event::Name(start..end)
                    } else {
                        Event::String(start..end)
                    }
                }
                b'{' => Event::Object,
                b'[' => Event::Array,
                b'}' | b']' => Event::End,
                b',' | b':' => continue,
                byte if byte.is_ascii_whitespace() => continue,
                _ => {
                    let ends = |byte: &u8| byte.is_ascii_whitespace() || b",:[]{}\"".contains(byte);
                    let length = bytes[start..].iter().position(ends).unwrap_or(bytes.len() - start);
                    self.at = start + length;
                    Event::Other(start..self.at)
                }
            });
        }
    }
}

/// The position after a string's closing quotation mark.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| matches!(byte, b'"' | b'\\')))
    {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// The members of an object: name and text of the value; empty for any other value.
pub fn members(object: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut scanner = inside(object, Event::Object);
    std::iter::from_fn(move || {
        let scanner = scanner.as_mut()?;
        let Some(Event::Name(name)) = scanner.next() else { return None };
        Some((string(&object[name]), scanner.value()?))
    })
}

/// The elements of an array as text; empty for any other value.
pub fn elements(array: &str) -> impl Iterator<Item = &str> {
    let mut scanner = inside(array, Event::Array);
    std::iter::from_fn(move || scanner.as_mut()?.value())
}

/// The values of a text, one after the other.
pub fn values(text: &str) -> impl Iterator<Item = &str> {
    let mut scanner = Scanner::new(text);
    std::iter::from_fn(move || scanner.value())
}

fn inside(value: &str, kind: Event) -> Option<Scanner<'_>> {
    let mut scanner = Scanner::new(value);
    (scanner.next()? == kind).then_some(scanner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_in_order() {
        use Event::{Array, End, Name, Object, Other, String};
        let text = r#" {"a" : [1,-2.5e3,"x\"]"],"b":null} "#;
        let found: Vec<Event> = Scanner::new(text).collect();
        let range = |part: &str| text.find(part).map(|at| at..at + part.len()).unwrap();
        let right = [
            Object,
            Name(range("\"a\"")),
            Array,
            Other(range("1")),
            Other(range("-2.5e3")),
            String(range("\"x\\\"]\"")),
            End,
            Name(range("\"b\"")),
            Other(range("null")),
            End,
        ];
        assert_eq!(found, right);
    }

    #[test]
    fn members_and_elements_are_slices_of_the_text() {
        let object = r#"{"a": {"b": [1, {"c": "}"}]}, "\u00f1" : "x", "n":0}"#;
        let found: Vec<(String, &str)> = members(object).map(|(name, value)| (name.into_owned(), value)).collect();
        let right = [("a", r#"{"b": [1, {"c": "}"}]}"#), ("ñ", "\"x\""), ("n", "0")];
        assert_eq!(found, right.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(elements(r#"[1, [2, "]"], {}, "x"]"#).collect::<Vec<_>>(), ["1", r#"[2, "]"]"#, "{}", "\"x\""]);
        assert_eq!(elements("{}").count() + members("[]").count() + elements("7").count() + members("").count(), 0);
        assert_eq!(values("{\"a\": 1}[2] \"x\"").collect::<Vec<_>>(), ["{\"a\": 1}", "[2]", "\"x\""]);
    }

    #[test]
    fn invalid_json_ends_the_scan() {
        for text in ["{\"a\": [", "\"open", "\"open\\", "}}]]", "[\"a\" \"b\"", "{\"a\" \"b\"}", ":,:"] {
            Scanner::new(text).count();
            members(text).count();
            elements(text).count();
            values(text).count();
        }
    }
}
