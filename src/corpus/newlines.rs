//! Converts CRLF and lone CR to LF, even where a chunk ends between the two.

/// Largest number of changes between CRLF and other line endings that are stored; more carry no useful information.
const MOST_CHANGES: usize = 1 << 20;

/// Appends pieces to a text and converts line endings.
#[derive(Debug, Default)]
pub struct Newlines {
    /// The last piece ended in CR, for which LF has been written; an LF at the start of the next piece belongs to it.
    after_cr: bool,
    ends: LineEnds,
}

impl Newlines {
    pub fn push(&mut self, text: &mut String, piece: &str) {
        let mut rest = piece;
        if rest.is_empty() {
            return;
        }
        if std::mem::take(&mut self.after_cr) {
            let paired = rest.strip_prefix('\n');
            self.ends.note(paired.is_some(), 1);
            rest = paired.unwrap_or(rest);
        }
        while let Some((line, after)) = rest.split_once('\r') {
            self.push_lines(text, line);
            text.push('\n');
            self.after_cr = after.is_empty();
            rest = after.strip_prefix('\n').unwrap_or(after);
            if !self.after_cr {
                self.ends.note(rest.len() != after.len(), 1);
            }
        }
        self.push_lines(text, rest);
    }

    /// Returns the original line endings of the pushed text.
    pub fn into_ends(self) -> LineEnds {
        self.ends
    }

    fn push_lines(&mut self, text: &mut String, lines: &str) {
        self.ends.note(false, lines.bytes().filter(|&byte| byte == b'\n').count());
        text.push_str(lines);
    }
}

/// The original line endings of a text: which lines ended in CRLF, and which in LF or CR alone.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LineEnds {
    /// Number of line endings so far.
    count: usize,
    /// Indices of line endings, from 0, at which the kind changes; the lines before the first change end in LF or CR
    /// alone.
    changes: Vec<u32>,
}

impl LineEnds {
    fn of(text: &[u8]) -> Self {
        let mut ends = Self::default();
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'\r' => ends.note(text.get(at + 1) == Some(&b'\n'), 1),
                b'\n' if at == 0 || text[at - 1] != b'\r' => ends.note(false, 1),
                _ => {}
            }
        }
        ends
    }

    /// Whether there are both kinds, with few enough changes to be stored.
    pub fn are_mixed(&self) -> bool {
        match self.changes[..] {
            [] => false,
            [first] => first > 0,
            _ => self.changes.len() < MOST_CHANGES,
        }
    }

    /// For each line ending whether it is CRLF; the iterator is infinite.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs { changes: &self.changes, end: 0, pair: false }
    }

    fn note(&mut self, pair: bool, count: usize) {
        let was = self.changes.len() % 2 == 1;
        if count > 0 && pair != was && self.changes.len() < MOST_CHANGES {
            self.changes.push(u32::try_from(self.count).unwrap_or(u32::MAX));
        }
        self.count += count;
    }
}

/// Iterates over line endings: whether each is CRLF.
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    /// The remaining changes.
    changes: &'a [u32],
    end: u32,
    pair: bool,
}

impl Iterator for Pairs<'_> {
    type Item = bool;

    fn next(&mut self) -> Option<bool> {
        if self.changes.first() == Some(&self.end) {
            self.pair = !self.pair;
            self.changes = &self.changes[1..];
        }
        self.end += 1;
        Some(self.pair)
    }
}

/// Converts the line endings of a whole text in place; returns the original ones.
pub fn all_lf(text: String) -> (String, LineEnds) {
    if !text.as_bytes().contains(&b'\r') {
        return (text, LineEnds::default());
    }
    let line_ends = LineEnds::of(text.as_bytes());
    let mut bytes = text.into_bytes();
    let (mut kept, mut after_cr) = (0, false);
    for at in 0..bytes.len() {
        let byte = bytes[at];
        if byte == b'\n' && after_cr {
            after_cr = false;
            continue;
        }
        after_cr = byte == b'\r';
        bytes[kept] = if after_cr { b'\n' } else { byte };
        kept += 1;
    }
    bytes.truncate(kept);
    (String::from_utf8(bytes).expect("only ASCII was changed"), line_ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[&str]) -> String {
        let (mut newlines, mut text) = (Newlines::default(), String::new());
        pieces.iter().for_each(|piece| newlines.push(&mut text, piece));
        text
    }

    #[test]
    fn every_line_ending_becomes_lf() {
        assert_eq!(joined(&["a\r\nb\rc\n\r\n\r\rd\r"]), "a\nb\nc\n\n\n\nd\n");
    }

    #[test]
    fn a_whole_text_is_converted_as_in_pieces() {
        for text in ["a\r\nb\rc\n\r\n\r\rd\r", "ñ\r\r\n漢", "", "\n\r", "plain\n"] {
            let (mut newlines, mut joined) = (Newlines::default(), String::new());
            newlines.push(&mut joined, text);
            let (whole, ends) = all_lf(text.to_owned());
            assert_eq!(whole, joined, "{text:?}");
            let lines = whole.matches('\n').count();
            assert!(ends.pairs().take(lines).eq(newlines.into_ends().pairs().take(lines)), "{text:?}");
        }
    }

    #[test]
    fn a_crlf_split_between_pieces_is_one_line_ending() {
        assert_eq!(joined(&["a\r", "\nb"]), "a\nb");
        assert_eq!(joined(&["a\r", "", "\n", "\nb"]), "a\n\nb");
        assert_eq!(joined(&["a\r", "\r", "\nb"]), "a\n\nb");
        assert_eq!(joined(&["a\r", "b\n"]), "a\nb\n");
    }
    #[test]
    fn the_original_line_endings_are_remembered() {
        let pairs = |pieces: &[&str]| {
            let (mut newlines, mut text) = (Newlines::default(), String::new());
            pieces.iter().for_each(|piece| newlines.push(&mut text, piece));
            let ends = newlines.into_ends();
            let lines = text.matches('\n').count();
            (ends.pairs().take(lines).collect::<Vec<bool>>(), ends.are_mixed())
        };
        assert_eq!(pairs(&["a\nb\r\nc\rd\n\r\n"]), (vec![false, true, false, false, true], true));
        assert_eq!(pairs(&["a\r", "\nb\r", "\r", "\nc\n"]), (vec![true, false, true, false], true));
        assert_eq!(pairs(&["a\r\nb\r\n"]), (vec![true, true], false));
        assert_eq!(pairs(&["a\nb\n"]), (vec![false, false], false));
        assert_eq!(pairs(&["a"]), (vec![], false));
    }
}
