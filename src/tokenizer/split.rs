//! Pre-tokenisation: the words inside which merges happen. No merge ever joins two words. Here are the kinds of it, and
//! GPT-2's.
//!
//! It is written by hand, because it processes a text of any length without copying it, which a backtracking regex cannot:
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

use super::split_llama;
use super::unicode::{Class, class};

/// SentencePiece's character for a space in a token.
pub const SPACE_MARK: char = '▁';

/// How a text is cut into words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    /// By GPT-2's regular expression.
    Gpt2,
    /// By that of Llama 3 and Qwen, with so many digits in a word at most.
    Llama { digits: usize },
    /// Before each [`SPACE_MARK`].
    EachMark,
    /// Before the first of each run of [`SPACE_MARK`]s.
    Marks,
    /// Not at all.
    Whole,
}

/// The words of a text by GPT-2's pattern, in order and without gaps.
pub fn words(text: &str) -> Words<'_> {
    Pattern::Gpt2.words(text)
}

impl Pattern {
    /// The words of a text, in order and without gaps.
    pub fn words(self, text: &str) -> Words<'_> {
        Words { pattern: self, rest: text }
    }

    /// The length in bytes of the first word of a text that starts with `first`.
    fn length(self, text: &str, first: char) -> usize {
        let mark = |from: usize| text[from..].find(SPACE_MARK).map_or(text.len(), |at| from + at);
        match self {
            Self::Gpt2 => length(text, first),
            Self::Llama { digits } => split_llama::length(text, first, digits),
            Self::EachMark => mark(first.len_utf8()),
            Self::Marks => mark(text.len() - text.trim_start_matches(SPACE_MARK).len()),
            Self::Whole => text.len(),
        }
    }
}

pub struct Words<'t> {
    pattern: Pattern,
    rest: &'t str,
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let first = self.rest.chars().next()?;
        let (word, rest) = self.rest.split_at(self.pattern.length(self.rest, first));
        self.rest = rest;
        Some(word)
    }
}

/// The length in bytes of the first word of a text that starts with `first`.
fn length(text: &str, first: char) -> usize {
    if first == '\''
        && let Some(ending) = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].iter().find(|end| text.starts_with(**end))
    {
        return ending.len();
    }
    let kind = class(first);
    if kind != Class::Space {
        return run(text, kind);
    }
    // A single space belongs to the word after it.
    if first == ' '
        && let Some(second) = text[1..].chars().next().map(class)
        && second != Class::Space
    {
        return 1 + run(&text[1..], second);
    }
    let spaces = run(text, Class::Space);
    if spaces == text.len() {
        return spaces;
    }
    // Of several spaces before a word the last is left for the word, or is a word by itself if it is not ' '.
    match text[..spaces].char_indices().next_back() {
        Some((last, _)) if last > 0 => last,
        _ => spaces,
    }
}

/// The length in bytes of the longest prefix of `text` with a single character class.
pub fn run(text: &str, kind: Class) -> usize {
    text.char_indices().find(|&(_, character)| class(character) != kind).map_or(text.len(), |(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        words(text).collect()
    }

    #[test]
    fn words_include_the_space_before_them() {
        assert_eq!(split("Hello my friend, how's 2026?"), ["Hello", " my", " friend", ",", " how", "'s", " 2026", "?"]);
        assert_eq!(split("¿Qué?\n\n  ¡Año!"), ["¿", "Qué", "?", "\n\n ", " ¡", "Año", "!"]);
    }

    #[test]
    fn of_several_spaces_the_last_belongs_to_the_next_word() {
        assert_eq!(split("a   b"), ["a", "  ", " b"]);
        assert_eq!(split("a\n\tb"), ["a", "\n", "\t", "b"]);
        assert_eq!(split("a\nb "), ["a", "\n", "b", " "]);
        assert_eq!(split("a \n "), ["a", " \n "]);
        assert_eq!(split(" 's"), [" '", "s"]);
        assert_eq!(split(" "), [" "]);
        assert!(split("").is_empty());
    }

    #[test]
    fn marks_of_spaces_begin_words() {
        let split = |pattern: Pattern, text| pattern.words(text).collect::<Vec<_>>();
        assert_eq!(split(Pattern::EachMark, "a▁b▁▁▁c"), ["a", "▁b", "▁", "▁", "▁c"]);
        assert_eq!(split(Pattern::Marks, "▁▁a▁b▁▁"), ["▁▁a", "▁b", "▁▁"]);
        assert_eq!(split(Pattern::Whole, "▁a▁b"), ["▁a▁b"]);
    }
}
