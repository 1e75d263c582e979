//! GPT-2's pre-tokenisation: the words inside which merges happen. No merge ever joins two words.
//!
//! Written out by hand, since it walks over a text of any length without copying it, and a backtracking regex does
//! neither: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

use super::unicode::{Class, class};

/// The words of a text, in order and without gaps.
pub fn words(text: &str) -> Words<'_> {
    Words { rest: text }
}

pub struct Words<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Words<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let first = self.rest.chars().next()?;
        let (word, rest) = self.rest.split_at(length(self.rest, first));
        self.rest = rest;
        Some(word)
    }
}

/// Bytes of the first word of a text that starts with `first`.
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
    // Before a word, the last space of several is left to it, or stands alone where it is no ' '.
    match text[..spaces].char_indices().next_back() {
        Some((last, _)) if last > 0 => last,
        _ => spaces,
    }
}

/// Bytes of the longest start of `text` that holds one class alone.
fn run(text: &str, kind: Class) -> usize {
    text.char_indices().find(|&(_, character)| class(character) != kind).map_or(text.len(), |(end, _)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        words(text).collect()
    }

    #[test]
    fn words_take_the_space_before_them() {
        assert_eq!(split("Hello my friend, how's 2026?"), ["Hello", " my", " friend", ",", " how", "'s", " 2026", "?"]);
        assert_eq!(split("¿Qué?\n\n  ¡Año!"), ["¿", "Qué", "?", "\n\n ", " ¡", "Año", "!"]);
    }

    #[test]
    fn spaces_leave_one_to_the_word_and_keep_those_at_the_end() {
        assert_eq!(split("a   b"), ["a", "  ", " b"]);
        assert_eq!(split("a\n\tb"), ["a", "\n", "\t", "b"]);
        assert_eq!(split("a\nb "), ["a", "\n", "b", " "]);
        assert_eq!(split("a \n "), ["a", " \n "]);
        assert_eq!(split(" 's"), [" '", "s"]);
        assert_eq!(split(" "), [" "]);
        assert!(split("").is_empty());
    }
}
