//! Added tokens: strings that are always one token, matched before all other tokenisation.

use std::{borrow::Cow, collections::HashSet, fmt};

use daachorse::{DoubleArrayAhoCorasick, DoubleArrayAhoCorasickBuilder, MatchKind};

use super::file::{AddedToken, invalid};
use super::normalizer::Normalizer;
use super::unicode::is_word;
use crate::error::Result;

/// A part of a text: ordinary text, or one added token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'t> {
    Text(&'t str),
    Special(u32, &'t str),
}

/// The added tokens of a tokenizer. As in `tokenizers`, those that are not "normalized" are matched first, and the
/// others in the remaining text once it is normalised; each time the leftmost match, and the longest of several there.
#[derive(Debug, Clone)]
pub struct Specials {
    tokens: Vec<AddedToken>,
    normalizer: Normalizer,
    /// Whether a text may be normalised in pieces: matches and added spaces do not depend on where a piece begins.
    in_pieces: bool,
    first: Finder,
    second: Finder,
}

/// Finds the texts of tokens in time linear in the length of the text. `None` finds nothing.
#[derive(Clone)]
struct Finder(Option<DoubleArrayAhoCorasick<u32>>);

impl fmt::Debug for Finder {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_tuple("Finder").finish_non_exhaustive()
    }
}

impl Specials {
    /// Makes the matchers of these tokens.
    ///
    /// # Errors
    /// `TokenizerInvalid` where two tokens have the same normalised text.
    pub fn new(tokens: Vec<AddedToken>, normalizer: impl Into<Normalizer>) -> Result<Self> {
        let normalizer = normalizer.into();
        let normal = |token: &AddedToken| normal(&normalizer, token);
        let of = |normalized| {
            let places = tokens.iter().zip(0..).filter(|(token, _)| token.normalized == normalized);
            Finder::new(places.map(|(token, place)| (normal(token), place)).collect())
        };
        let (first, second) = (of(false)?, of(true)?);
        let in_pieces = second.0.is_none() && normalizer.in_pieces();
        Ok(Self { tokens, normalizer, in_pieces, first, second })
    }

    /// For a tokenizer that adds a space at the beginning of each stretch of text: stretches are kept whole.
    pub fn in_whole_stretches(self) -> Self {
        Self { in_pieces: false, ..self }
    }

    /// A single token, in texts without normalisation.
    pub fn of_one(token: AddedToken) -> Self {
        Self::new(vec![token], Normalizer::default()).expect("one token is no two")
    }

    pub fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    /// The id of a token, by its content.
    pub fn id(&self, content: &str) -> Option<u32> {
        self.tokens.iter().find(|token| token.content == content).map(|token| token.id)
    }

    /// The text by which a token is matched.
    pub fn normal(&self, token: &AddedToken) -> String {
        normal(&self.normalizer, token)
    }

    /// A text in which no special token is spelled any more: a space comes after the first character of each.
    pub fn broken_up<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        let special = || self.tokens.iter().filter(|token| token.special);
        for token in special().filter(|token| token.content.chars().nth(1).is_some()) {
            if text.contains(&token.content[..]) {
                let (first, rest) = token.content.split_at(token.content.chars().next().map_or(0, char::len_utf8));
                text = Cow::Owned(text.replace(&token.content, &format!("{first} {rest}")));
            }
        }
        text
    }

    /// Calls `visit` with the segments of a text in order; none is empty, except a token whose text was included in the
    /// one before it.
    pub fn each(&self, text: &str, mut visit: impl FnMut(Segment)) {
        self.first.each(&self.tokens, text, &mut |segment| match segment {
            Segment::Text(text) => {
                let mut second = |text: Cow<str>| self.second.each(&self.tokens, &text, &mut visit);
                if self.in_pieces { self.normalizer.each(text, second) } else { second(self.normalizer.of(text)) }
            }
            special => visit(special),
        });
    }
}

fn normal(normalizer: &Normalizer, token: &AddedToken) -> String {
    if token.normalized { normalizer.of(&token.content).into_owned() } else { token.content.clone() }
}

impl Finder {
    /// Makes a finder of texts and the indices of their tokens.
    fn new(texts: Vec<(String, u32)>) -> Result<Self> {
        if texts.is_empty() {
            return Ok(Self(None));
        }
        let mut seen = HashSet::new();
        if let Some((twice, _)) = texts.iter().find(|(text, _)| !seen.insert(text)) {
            return Err(invalid(format!("two added tokens are found as {twice:?}")));
        }
        let builder = DoubleArrayAhoCorasickBuilder::new().match_kind(MatchKind::LeftmostLongest);
        let built = builder.build_with_values(texts);
        Ok(Self(Some(built.map_err(|error| invalid(format!("added tokens: {error}")))?)))
    }

    fn each(&self, tokens: &[AddedToken], text: &str, visit: &mut impl FnMut(Segment)) {
        // The start of the current segment; and the white space that was scanned already, so that none is scanned
        // twice.
        let (mut from, mut spaces) = (0, 0..0);
        for found in self.0.iter().flat_map(|automaton| automaton.leftmost_find_iter(text)) {
            let token = &tokens[found.value() as usize];
            let (mut start, mut end) = (found.start(), found.end());
            if token.single_word && (text[..start].ends_with(is_word) || text[end..].starts_with(is_word)) {
                continue;
            }
            if token.lstrip && from < start {
                start = from + text[from..start].trim_end().len();
            }
            if token.rstrip {
                if !spaces.contains(&end) {
                    spaces = end..text.len() - text[end..].trim_start().len();
                }
                end = spaces.end.max(end);
            }
            if from < start {
                visit(Segment::Text(&text[from..start]));
            }
            visit(Segment::Special(token.id, &text[start..end]));
            from = end;
        }
        if from < text.len() {
            visit(Segment::Text(&text[from..]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::NormalForm;

    fn segments(specials: &Specials, text: &str) -> Vec<(Option<u32>, String)> {
        let mut all = Vec::new();
        specials.each(text, |segment| {
            all.push(match segment {
                Segment::Text(text) => (None, text.to_owned()),
                Segment::Special(id, text) => (Some(id), text.to_owned()),
            });
        });
        all
    }

    fn of(tokens: Vec<AddedToken>) -> Specials {
        Specials::new(tokens, NormalForm::AsIs).unwrap()
    }

    fn token(id: u32, content: &str, normalized: bool) -> AddedToken {
        AddedToken { normalized, ..AddedToken::special(id, content) }
    }

    fn text(text: &str) -> (Option<u32>, String) {
        (None, text.to_owned())
    }

    fn special(id: u32, text: &str) -> (Option<u32>, String) {
        (Some(id), text.to_owned())
    }

    #[test]
    fn the_leftmost_and_longest_added_token_is_matched() {
        let specials = of(vec![token(7, "<|a|>", false), token(8, "<|a|><|b|>", false)]);
        assert_eq!(segments(&specials, "x<|a|>"), [text("x"), special(7, "<|a|>")]);
        assert_eq!(segments(&specials, "<|a|><|b|>ñ"), [special(8, "<|a|><|b|>"), text("ñ")]);
        assert_eq!(segments(&specials, "<<|a|<|a|>"), [text("<<|a|"), special(7, "<|a|>")]);
        assert!(segments(&specials, "").is_empty());
    }

    #[test]
    fn special_tokens_in_a_text_are_broken_up_and_others_are_kept() {
        let plain = AddedToken { special: false, ..token(3, "<think>", false) };
        let specials = of(vec![token(1, "</s>", false), token(2, "<|a|>", false), plain]);
        assert_eq!(specials.broken_up("x</s></s> <|a|><think>"), "x< /s>< /s> < |a|><think>");
        assert!(matches!(specials.broken_up("x < /s>"), Cow::Borrowed(_)));
    }

    #[test]
    fn normalized_tokens_are_matched_second_and_in_the_normalised_text() {
        let specials = of(vec![token(1, "ab", true), token(2, "bc", false)]);
        assert_eq!(segments(&specials, "abc"), [text("a"), special(2, "bc")]);
        let tokens = vec![token(1, "e\u{301}", true), token(2, "o\u{301}", false)];
        let specials = Specials::new(tokens, NormalForm::Nfc).unwrap();
        assert_eq!(segments(&specials, "é e\u{301}"), [special(1, "é"), text(" "), special(1, "é")]);
        assert_eq!(segments(&specials, "óo\u{301}"), [text("ó"), special(2, "o\u{301}")]);
        let twice = vec![token(1, "é", true), token(2, "e\u{301}", true)];
        assert!(Specials::new(twice, NormalForm::Nfc).is_err());
    }

    #[test]
    fn tokens_that_strip_include_the_white_space_beside_them() {
        let mask = AddedToken { lstrip: true, ..token(1, "<m>", false) };
        let end = AddedToken { rstrip: true, ..token(2, "</s>", false) };
        let specials = of(vec![mask, end]);
        assert_eq!(segments(&specials, "a \n<m> b"), [text("a"), special(1, " \n<m>"), text(" b")]);
        assert_eq!(segments(&specials, "</s>  <m>"), [special(2, "</s>  "), special(1, "<m>")]);
        assert_eq!(
            segments(&specials, "<m>\u{3000}</s>\u{a0}ñ"),
            [special(1, "<m>"), text("\u{3000}"), special(2, "</s>\u{a0}"), text("ñ")]
        );
    }

    #[test]
    fn a_single_word_token_is_not_matched_within_a_longer_word() {
        let specials = of(vec![AddedToken { single_word: true, ..token(1, "ember", true) }]);
        assert_eq!(segments(&specials, "ember,embers"), [special(1, "ember"), text(",embers")]);
        assert_eq!(segments(&specials, "ñember"), [text("ñember")]);
        assert_eq!(segments(&specials, "ember_"), [text("ember_")]);
    }
}
