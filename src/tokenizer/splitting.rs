//! Optional steps before pre-tokenisation: single digits, a space before the text, and SentencePiece's marks for spaces.

use std::borrow::Cow;

use super::split::SPACE_MARK;

/// Pre-tokenisation before GPT-2's, as `tokenizers` does it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Splitting {
    /// Splits numbers off: `Some(true)` each digit, `Some(false)` each run of digits.
    pub digits: Option<bool>,
    /// Adds a space to each stretch of text that begins without one.
    pub prefix_space: bool,
    /// Replaces spaces by [`SPACE_MARK`], without splitting.
    pub marks: Option<FirstMark>,
}

/// Which stretches of text get a [`SPACE_MARK`] before them if they have none (`prepend_scheme` of `Metaspace`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstMark {
    Never,
    /// The one that begins the whole text.
    First,
    /// Each, also after an added token.
    Always,
}

impl Splitting {
    /// Calls `visit` with the stretches of a text in order, none of them empty, and whether a space was added to the
    /// stretch. `is_first`: whether nothing stands before the text.
    pub fn each(self, text: &str, is_first: bool, mut visit: impl FnMut(&str, bool)) {
        if let Some(first_mark) = self.marks {
            let marked = text.replace(' ', SPACE_MARK.encode_utf8(&mut [0; 4]));
            let wants = first_mark == FirstMark::Always || (first_mark == FirstMark::First && is_first);
            return if wants && !marked.starts_with(SPACE_MARK) {
                visit(&format!("{SPACE_MARK}{marked}"), true);
            } else {
                visit(&marked, false);
            };
        }
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let (stretch, after) = rest.split_at(self.length(rest, first));
            rest = after;
            let prefixed = self.prefix_space && first != ' ';
            let stretch = if prefixed { Cow::Owned(format!(" {stretch}")) } else { Cow::Borrowed(stretch) };
            visit(&stretch, prefixed);
        }
    }

    /// The length in bytes of the first stretch of a text that starts with `first`.
    fn length(self, text: &str, first: char) -> usize {
        let until = |end: &dyn Fn(char) -> bool| text.find(end).unwrap_or(text.len());
        match self.digits {
            None => text.len(),
            Some(true) if first.is_numeric() => first.len_utf8(),
            Some(false) if first.is_numeric() => until(&|character| !character.is_numeric()),
            Some(_) => until(&char::is_numeric),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(digits: Option<bool>, prefix_space: bool, text: &str) -> Vec<String> {
        let mut all = Vec::new();
        Splitting { digits, prefix_space, marks: None }.each(text, true, |stretch, _| all.push(stretch.to_owned()));
        all
    }

    #[test]
    fn digits_are_split_off_one_by_one_or_together() {
        assert_eq!(stretches(None, false, "a 12½b"), ["a 12½b"]);
        assert_eq!(stretches(Some(true), false, "a 12½b"), ["a ", "1", "2", "½", "b"]);
        assert_eq!(stretches(Some(false), false, "12½ b3"), ["12½", " b", "3"]);
        assert!(stretches(Some(true), true, "").is_empty());
    }

    #[test]
    fn every_stretch_begins_with_a_space() {
        assert_eq!(stretches(None, true, "a b"), [" a b"]);
        assert_eq!(stretches(None, true, " a"), [" a"]);
        assert_eq!(stretches(Some(true), true, "\n1a"), [" \n", " 1", " a"]);
    }

    #[test]
    fn spaces_become_marks() {
        let marked = |first_mark, text: &str, is_first| {
            let mut all = Vec::new();
            let splitting = Splitting { marks: Some(first_mark), ..Splitting::default() };
            splitting.each(text, is_first, |stretch, prefixed| all.push((stretch.to_owned(), prefixed)));
            all
        };
        assert_eq!(marked(FirstMark::Always, "a  b", false), [("▁a▁▁b".to_owned(), true)]);
        assert_eq!(marked(FirstMark::First, "a", false), [("a".to_owned(), false)]);
        assert_eq!(marked(FirstMark::First, " a", true), [("▁a".to_owned(), false)]);
        assert_eq!(marked(FirstMark::Never, "a b", true), [("a▁b".to_owned(), false)]);
    }
}
