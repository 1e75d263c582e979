//! The pre-tokenisation of Llama 3, Qwen and tiktoken's cl100k: words inside which merges happen.
//!
//! Written by hand for the same reason as GPT-2's (`split.rs`), by the regular expression of Llama 3's `tokenizer.json`,
//! which differs in Qwen's by single digits:
//! `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

use super::split::run;
use super::unicode::{Class, class};

const LINE_ENDS: [char; 2] = ['\r', '\n'];

/// The length in bytes of the first word of a text that starts with `first`; `digits`: the most that one word has.
pub fn length(text: &str, first: char, digits: usize) -> usize {
    if first == '\''
        && let Some(ending) = ending(&text[1..])
    {
        return 1 + ending;
    }
    let kind = class(first);
    let after = &text[first.len_utf8()..];
    let second = after.chars().next().map(class);
    match kind {
        Class::Letter => return run(text, Class::Letter),
        Class::Number => {
            let numbers = text.chars().take_while(|&character| class(character) == Class::Number);
            return numbers.take(digits).map(char::len_utf8).sum();
        }
        // One character that is neither letter, number nor line end belongs to the letters after it.
        Class::Space | Class::Other if second == Some(Class::Letter) && !LINE_ENDS.contains(&first) => {
            return first.len_utf8() + run(after, Class::Letter);
        }
        Class::Other => return with_line_ends(text, run(text, Class::Other)),
        Class::Space if first == ' ' && second == Some(Class::Other) => {
            return with_line_ends(text, 1 + run(after, Class::Other));
        }
        Class::Space => {}
    }
    let spaces = run(text, Class::Space);
    if let Some(last) = text[..spaces].rfind(LINE_ENDS) {
        return last + 1;
    }
    if spaces == text.len() {
        return spaces;
    }
    // Of several spaces before a word the last is left for the word.
    match text[..spaces].char_indices().next_back() {
        Some((last, _)) if last > 0 => last,
        _ => spaces,
    }
}

/// The length in bytes of the end of an English word that stands after an apostrophe, in small or capital letters. The
/// old letter ſ is a small form of S in Unicode.
fn ending(text: &str) -> Option<usize> {
    let known = |end: &&str| text.get(..end.len()).is_some_and(|start| start.eq_ignore_ascii_case(end));
    let ending = ["s", "t", "re", "ve", "m", "ll", "d"].into_iter().find(known).map(str::len);
    ending.or_else(|| text.starts_with('ſ').then_some('ſ'.len_utf8()))
}

/// The length of the first `length` bytes and the line ends behind them.
fn with_line_ends(text: &str, length: usize) -> usize {
    text.len() - text[length..].trim_start_matches(LINE_ENDS).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str, digits: usize) -> Vec<&str> {
        let (mut words, mut rest) = (Vec::new(), text);
        while let Some(first) = rest.chars().next() {
            let (word, after) = rest.split_at(length(rest, first, digits));
            words.push(word);
            rest = after;
        }
        words
    }

    #[test]
    fn words_begin_with_one_character_that_is_no_letter() {
        assert_eq!(split("¿Qué?\n\n  (año) it'S", 3), ["¿Qué", "?\n\n", " ", " (", "año", ")", " it", "'S"]);
        assert_eq!(split("a\tb \u{3000}c 'ſo", 3), ["a", "\tb", " ", "\u{3000}c", " '", "ſo"]);
        assert_eq!(split("o'ſo", 3), ["o", "'ſ", "o"]);
    }

    #[test]
    fn digits_are_in_groups_and_line_ends_together() {
        assert_eq!(split("12345 6", 3), ["123", "45", " ", "6"]);
        assert_eq!(split("12½", 1), ["1", "2", "½"]);
        assert_eq!(split("a \r\n \n  b", 3), ["a", " \r\n \n", " ", " b"]);
        assert_eq!(split(" \t", 3), [" \t"]);
        assert_eq!(split("x  \n", 3), ["x", "  \n"]);
    }
}
