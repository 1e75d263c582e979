//! Splits the lines of a file into messages, by a layout of heads that all lines together determine.

use super::date::Stamp;
use super::head::{self, Form, Head, Shape};
use super::{names, notices};
use crate::corpus::LineEnds;

/// Number of first messages of which at least one must have a sender.
const FIRST: usize = 200;

/// A message, or a system message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    pub stamp: Stamp,
    /// Whether an invisible mark precedes its date.
    pub marked: bool,
    /// The text after the date, all its lines.
    pub text: &'a str,
    /// Whether it precedes the first message, so that it has no sender.
    pub preamble: bool,
}

/// The layout of a file's messages.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    text: &'a str,
    pub shape: Shape,
    /// Offset of the first message, and number of lines before it.
    start: (usize, usize),
    /// The line endings, if CRLF ends messages, and LF the lines within them.
    ends: Option<&'a LineEnds>,
}

/// Statistics of the lines that begin in one shape.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    lines: u64,
    /// Number of lines in which a name seems to follow.
    named: u64,
    /// Offset of the first of them, number of lines before it, and number of these that are not blank.
    start: (usize, usize),
    before: u64,
    /// Number of lines that follow CRLF, and that follow LF alone.
    after: [u64; 2],
}

impl<'a> Layout<'a> {
    /// Detects the layout; `None` if this is no chat. `ends`: the original line endings.
    pub fn of(text: &'a str, ends: &'a LineEnds) -> Option<Self> {
        let mut shapes: Vec<(Shape, Seen)> = Vec::new();
        let (mut written, mut after_pairs) = (0, 0);
        let mixed = ends.are_mixed().then_some(ends);
        for (number, line) in Lines::new(text, mixed, (0, 0)).enumerate() {
            after_pairs += u64::from(line.after_pair);
            if let Some(head) = head::begin(line.text) {
                let place = shapes.iter().position(|(shape, _)| *shape == head.shape).unwrap_or(shapes.len());
                if place == shapes.len() {
                    shapes.push((head.shape, Seen { start: (line.start, number), before: written, ..Seen::default() }));
                }
                let (_, seen) = &mut shapes[place];
                seen.lines += 1;
                seen.named += u64::from(names::first_end(head.rest).is_some());
                seen.after[usize::from(!line.after_pair)] += 1;
            }
            written += u64::from(!line.text.trim().is_empty());
        }
        let able = shapes.into_iter().filter(|(shape, seen)| seen.fits(shape.form, written));
        let (shape, seen) = able.max_by_key(|(_, seen)| (seen.lines, std::cmp::Reverse(seen.start)))?;
        let ends = mixed.filter(|_| seen.ends_in_pairs(after_pairs));
        let layout = Self { text, shape, start: seen.start, ends };
        let speaks = |raw: Raw| !raw.preamble && (names::first(raw.text).is_some() || notices::is_of_chat(raw.text));
        layout.messages().take(FIRST).any(speaks).then_some(layout)
    }

    pub fn messages(&self) -> Messages<'a> {
        let lines = Lines::new(self.text, self.ends, self.start);
        let preamble = self.text[..self.start.0].trim();
        let mut messages =
            Messages { layout: *self, lines, next: None, preamble: Some(preamble).filter(|it| !it.is_empty()) };
        messages.next = messages.lines.next().and_then(|line| messages.begin(line));
        messages
    }
}

impl Seen {
    /// Whether messages can begin in this shape, in a text of `written` lines that are not blank. A line or two before
    /// the first message are accepted; a text that quotes a chat is not.
    fn fits(&self, form: Form, written: u64) -> bool {
        let rest = written - self.before;
        let quoted = self.before > 0 && (self.lines < 2 || 2 * self.before > self.lines || 3 * self.lines < rest);
        // Otherwise each line with a time and a colon would fit.
        let bare = form == Form::Colon && 2 * self.named < self.lines.max(4);
        self.lines > 0 && !quoted && !bare
    }

    /// Whether messages end in CRLF, so that only copied messages follow LF alone. `after_pairs`: number of lines after
    /// CRLF. If these do not begin messages, it is the other way round; and if two files were joined, most messages
    /// follow LF.
    fn ends_in_pairs(&self, after_pairs: u64) -> bool {
        let [pairs, single] = self.after;
        pairs > 0 && 10 * pairs >= 9 * after_pairs && single <= 3 * (pairs + 1)
    }
}

/// A line of a text, with the line feed at its end.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    start: usize,
    text: &'a str,
    /// Whether the previous line ended in CRLF.
    after_pair: bool,
}

#[derive(Debug, Clone)]
struct Lines<'a> {
    text: &'a str,
    at: usize,
    pairs: Option<crate::corpus::Pairs<'a>>,
    after_pair: bool,
}

impl<'a> Lines<'a> {
    /// Starts at an offset, with the number of lines before it.
    fn new(text: &'a str, ends: Option<&'a LineEnds>, (at, lines): (usize, usize)) -> Self {
        let mut pairs = ends.map(LineEnds::pairs);
        let after_pair = lines > 0 && pairs.as_mut().and_then(|pairs| pairs.nth(lines - 1)).unwrap_or(false);
        Self { text, at, pairs, after_pair }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (start, rest) = (self.at, &self.text[self.at..]);
        if rest.is_empty() {
            return None;
        }
        let text = &rest[..rest.find('\n').map_or(rest.len(), |end| end + 1)];
        self.at += text.len();
        let ended = self.pairs.as_mut().and_then(Iterator::next).unwrap_or(false);
        Some(Line { start, text, after_pair: std::mem::replace(&mut self.after_pair, ended) })
    }
}

/// Iterates over the messages of a file, each a slice of it.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    layout: Layout<'a>,
    lines: Lines<'a>,
    /// The head of the next message, and the offset of its text.
    next: Option<(Head<'a>, usize)>,
    preamble: Option<&'a str>,
}

impl<'a> Messages<'a> {
    fn begin(&self, line: Line<'a>) -> Option<(Head<'a>, usize)> {
        let head = head::begin(line.text)?;
        let copied = self.layout.ends.is_some() && !line.after_pair && line.start != self.layout.start.0;
        (head.shape == self.layout.shape && !copied).then(|| (head, line.start + line.text.len() - head.rest.len()))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let (Head { stamp, marked, .. }, start) = self.next?;
        if let Some(text) = self.preamble.take() {
            return Some(Raw { stamp, marked, text, preamble: true });
        }
        let mut end = self.layout.text.len();
        self.next = None;
        while let Some(line) = self.lines.next() {
            self.next = self.begin(line);
            if self.next.is_some() {
                end = line.start;
                break;
            }
        }
        let text = &self.layout.text[start..end];
        Some(Raw { stamp, marked, text: text.strip_suffix('\n').unwrap_or(text), preamble: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        let ends = LineEnds::default();
        let Some(layout) = Layout::of(text, &ends) else { return Vec::new() };
        layout.messages().map(|raw| raw.text.to_owned()).collect()
    }

    #[test]
    fn lines_without_a_date_belong_to_the_previous_message() {
        let text = "1/2/24, 9:05 - Ana: uno\ndos\n\n[1/2/24, 9:06:00] Eva: tres\n1/2/24, 9:07 - Luz:\ncuatro\n";
        assert_eq!(texts(text), ["Ana: uno\ndos\n\n[1/2/24, 9:06:00] Eva: tres", "Luz:\ncuatro"]);
    }

    #[test]
    fn the_layout_is_that_of_most_lines() {
        let copied = "[9:00, 1/2/24] Eva: a\n1/2/24, 9:05 - Ana: b\n[9:01, 1/2/24] Eva: c\n1/2/24, 9:06 - Leo: d\n\
            1/2/24, 9:07 - Ana: e\n";
        assert_eq!(texts(copied), ["[9:00, 1/2/24] Eva: a", "Ana: b\n[9:01, 1/2/24] Eva: c", "Leo: d", "Ana: e"]);
        // A date within a message has other words around it, or seconds that the phone does not write.
        let dated = "1/2/24, 9:05 - Ana: b\nel 3/2/24, 9:05 - c\n3/2/24 a las 9:05 - d\n1/2/24, 9:06 - Leo: e\n";
        assert_eq!(texts(dated), ["Ana: b\nel 3/2/24, 9:05 - c\n3/2/24 a las 9:05 - d", "Leo: e"]);
        let bare = "[1/2/24, 9:05:00] Ana: b\n[1/2/24, 9:01] Eva: c\n[1/2/24, 9:06:00] Leo: e\n";
        assert_eq!(texts(bare), ["Ana: b\n[1/2/24, 9:01] Eva: c", "Leo: e"]);
    }

    #[test]
    fn lines_before_the_first_message_have_no_sender() {
        let text = "Chat history with Ilse: all\n\n1/2/24, 9:05 - Ilse: a\n1/2/24, 9:06 - Maro: b\n";
        assert_eq!(texts(text), ["Chat history with Ilse: all", "Ilse: a", "Maro: b"]);
        let ends = LineEnds::default();
        assert!(Layout::of(text, &ends).unwrap().messages().next().unwrap().preamble);
    }

    #[test]
    fn other_texts_are_not_chats() {
        for text in [
            "",
            "\n",
            "Dear diary",
            "1/2/24, 9:05: Ana",
            "1/2/24, 9:05 - We began",
            "Log\n1/2/24, 9:05 - Ana: a",
            "We met. She said:\nlook!\nSo I did.\n1/2/24, 9:05 - Ana: a\n1/2/24, 9:06 - Leo: b\nThe end.",
            "1/2/24, 9:05:00: it rains\n1/2/24, 9:06:00: it rains still",
        ] {
            assert!(texts(text).is_empty(), "{text}");
        }
    }
}
