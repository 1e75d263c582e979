//! Added tokens: texts that are one token wherever they stand, found before anything else is cut.

use super::file::AddedToken;
use super::normal_form::NormalForm;

/// A stretch of text: ordinary, or one added token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'t> {
    Text(&'t str),
    Special(u32, &'t str),
}

/// The added tokens of a tokenizer. As in `tokenizers`, those that are not "normalized" are found first, the others in
/// what is left, which is brought into the tokenizer's form between the two; each time the leftmost, and of several there
/// the longest.
#[derive(Debug, Clone)]
pub struct Specials {
    tokens: Vec<AddedToken>,
    first: Finder,
    second: Finder,
}

#[derive(Debug, Clone)]
struct Finder {
    /// Longest first.
    tokens: Vec<(String, u32)>,
    /// Bytes that a token starts with.
    starts: [bool; 256],
}

impl Specials {
    pub fn new(tokens: Vec<AddedToken>, form: NormalForm) -> Self {
        let finder = |normalized| {
            let form = if normalized { form } else { NormalForm::AsIs };
            Finder::new(tokens.iter().filter(|token| token.normalized == normalized), form)
        };
        Self { first: finder(false), second: finder(true), tokens }
    }

    pub fn tokens(&self) -> &[AddedToken] {
        &self.tokens
    }

    /// Visits the segments of a text in order, of those tokens that are found in it as it stands; none is empty.
    pub fn first<'t>(&self, text: &'t str, mut visit: impl FnMut(Segment<'t>)) {
        self.first.each(text, &mut visit);
    }

    /// The same of the tokens that are found in the tokenizer's form of a text.
    pub fn second<'t>(&self, text: &'t str, mut visit: impl FnMut(Segment<'t>)) {
        self.second.each(text, &mut visit);
    }
}

impl Finder {
    fn new<'a>(tokens: impl Iterator<Item = &'a AddedToken>, form: NormalForm) -> Self {
        let mut tokens: Vec<_> = tokens.map(|token| (form.of(&token.content).into_owned(), token.id)).collect();
        tokens.sort_by_key(|(content, _)| std::cmp::Reverse(content.len()));
        let mut starts = [false; 256];
        for (content, _) in &tokens {
            starts[usize::from(content.as_bytes()[0])] = true;
        }
        Self { tokens, starts }
    }

    fn each<'t>(&self, text: &'t str, visit: &mut impl FnMut(Segment<'t>)) {
        // Where the segment in hand starts, and where to look on.
        let (mut start, mut at) = (0, 0);
        let bytes = text.as_bytes();
        while let Some(skipped) = bytes[at..].iter().position(|&byte| self.starts[usize::from(byte)]) {
            at += skipped;
            let found = self.tokens.iter().find(|(content, _)| bytes[at..].starts_with(content.as_bytes()));
            let Some((content, id)) = found else {
                at += 1;
                continue;
            };
            if start < at {
                visit(Segment::Text(&text[start..at]));
            }
            let end = at + content.len();
            visit(Segment::Special(*id, &text[at..end]));
            (start, at) = (end, end);
        }
        if start < text.len() {
            visit(Segment::Text(&text[start..]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments<'t>(specials: &Specials, text: &'t str) -> Vec<Segment<'t>> {
        let mut all = Vec::new();
        specials.first(text, |segment| match segment {
            Segment::Text(text) => specials.second(text, |segment| all.push(segment)),
            special => all.push(special),
        });
        all
    }

    fn token(id: u32, content: &str, normalized: bool) -> AddedToken {
        let mut token = AddedToken::special(id, content);
        token.normalized = normalized;
        token
    }

    #[test]
    fn the_leftmost_and_longest_is_taken() {
        let specials = Specials::new(vec![token(7, "<|a|>", false), token(8, "<|a|><|b|>", false)], NormalForm::AsIs);
        use Segment::{Special, Text};
        assert_eq!(segments(&specials, "x<|a|>"), [Text("x"), Special(7, "<|a|>")]);
        assert_eq!(segments(&specials, "<|a|><|b|>ñ"), [Special(8, "<|a|><|b|>"), Text("ñ")]);
        assert_eq!(segments(&specials, "<<|a|<|a|>"), [Text("<<|a|"), Special(7, "<|a|>")]);
        assert!(segments(&specials, "").is_empty());
    }

    #[test]
    fn normalized_tokens_come_second() {
        let specials = Specials::new(vec![token(1, "ab", true), token(2, "bc", false)], NormalForm::AsIs);
        assert_eq!(segments(&specials, "abc"), [Segment::Text("a"), Segment::Special(2, "bc")]);
    }
}
