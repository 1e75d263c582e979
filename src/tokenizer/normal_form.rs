//! Unicode normalisation before tokenisation: none, or the normal form NFC, in which a letter and its accent are one
//! character where Unicode has one.
//!
//! Texts from PDFs and older Macs have them as separate characters, keyboards write one character, and both look the
//! same. Tokenizers that are trained here say NFC in their file, so `tokenizers` normalises too. One that was opened
//! without a normalizer gets texts unchanged, because its ids must equal those of `tokenizers`.

use std::borrow::Cow;
use std::collections::BTreeSet;

#[cfg(not(target_arch = "wasm32"))]
use unicode_normalization_alignments::UnicodeNormalization;

/// A text that has to be normalised is processed in pieces of about this size, in bytes.
const PIECE: usize = 1 << 20;

/// The Unicode normal form that a tokenizer brings a text into before it encodes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormalForm {
    /// The text stays as it is.
    AsIs,
    /// A letter and its accents become one character where Unicode has one.
    Nfc,
}

impl NormalForm {
    /// Chooses the form for a tokenizer of these texts: NFC, unless the difference is intended, as in a list of
    /// Unicode's oddities, which must be decoded unchanged. Texts count as such if they have composed letters,
    /// decomposed ones on at least as many lines, and no letter that is written in both ways.
    pub fn of_texts(texts: &[&str]) -> Self {
        if texts.iter().all(|text| is_surely_nfc(text)) {
            return Self::Nfc;
        }
        let (mut written, mut composed) = (BTreeSet::new(), BTreeSet::new());
        let (mut lines_apart, mut lines_as_one) = (0, 0);
        for line in texts.iter().flat_map(|text| text.split('\n')) {
            let form = Self::Nfc.of(line);
            let letters: BTreeSet<char> = form.chars().filter(|&letter| letter >= '\u{C0}').collect();
            let more = |letter: &&char| form.matches(**letter).count() > line.matches(**letter).count();
            composed.extend(letters.iter().filter(more));
            let as_one: Vec<char> =
                letters.into_iter().filter(|&letter| line.contains(letter) && is_composed(letter)).collect();
            lines_apart += usize::from(form != line);
            lines_as_one += usize::from(!as_one.is_empty());
            written.extend(as_one);
        }
        let is_meant = lines_as_one > 0 && lines_apart >= lines_as_one && composed.is_disjoint(&written);
        if is_meant { Self::AsIs } else { Self::Nfc }
    }

    /// Returns a text in this form, borrowed if nothing changes.
    pub fn of(self, text: &str) -> Cow<'_, str> {
        if self == Self::AsIs || is_surely_nfc(text) {
            return Cow::Borrowed(text);
        }
        let form = nfc(text);
        if form == text { Cow::Borrowed(text) } else { Cow::Owned(form) }
    }

    /// Calls `visit` with a text in this form: whole and borrowed where nothing changes, otherwise piece by piece.
    pub fn each<'t>(self, text: &'t str, mut visit: impl FnMut(Cow<'t, str>)) {
        if self == Self::AsIs || is_surely_nfc(text) {
            return visit(Cow::Borrowed(text));
        }
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(cut(rest));
            visit(self.of(piece));
            rest = after;
        }
    }
}

/// Where to cut: before a line feed that follows anything but white space. No character is composed across it, and no
/// token crosses it.
fn cut(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_end = |&at: &usize| bytes[at] == b'\n' && !bytes[at - 1].is_ascii_whitespace();
    (PIECE..bytes.len()).find(is_end).unwrap_or(bytes.len())
}

/// Whether NFC certainly leaves a text unchanged: all its characters neither combine nor are composed or decomposed.
/// These are not all such characters, but most of those in texts, and far more texts are checked than changed.
fn is_surely_nfc(text: &str) -> bool {
    // All characters up to U+02FF are in NFC. U+0300 begins with 0xCC.
    text.bytes().all(|byte| byte < 0xCC) || text.chars().all(stands_alone)
}

fn stands_alone(character: char) -> bool {
    matches!(character,
        '\0'..='\u{2FF}'
        // Greek, Cyrillic, Armenian.
        | '\u{388}'..='\u{482}' | '\u{488}'..='\u{590}'
        // Punctuation, symbols, emoji.
        | '\u{2002}'..='\u{20CF}' | '\u{2190}'..='\u{2328}' | '\u{2400}'..='\u{2AD0}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FF00}'..='\u{FFFD}' | '\u{1F000}'..='\u{2F7FF}'
        // Chinese, Japanese, Korean.
        | '\u{3000}'..='\u{3029}' | '\u{3041}'..='\u{3098}' | '\u{309B}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}')
}

/// Whether a character is the composed form of a letter and its accent.
fn is_composed(character: char) -> bool {
    !nfd(character.encode_utf8(&mut [0; 4])).starts_with(character)
}

#[cfg(target_arch = "wasm32")]
use crate::web::{nfc, nfd};

#[cfg(not(target_arch = "wasm32"))]
fn nfc(text: &str) -> String {
    text.nfc().map(|(character, _)| character).collect()
}

#[cfg(not(target_arch = "wasm32"))]
fn nfd(text: &str) -> String {
    text.nfd().map(|(character, _)| character).collect()
}

#[cfg(test)]
mod tests {
    use unicode_normalization_alignments::{IsNormalized, char::canonical_combining_class, is_nfc_quick};

    use super::*;

    #[test]
    fn characters_that_stand_alone_are_unchanged_by_nfc() {
        for character in ('\0'..=char::MAX).filter(|&character| stands_alone(character)) {
            assert_eq!(is_nfc_quick(std::iter::once(character)), IsNormalized::Yes, "{character:?}");
            assert_eq!(canonical_combining_class(character), 0, "{character:?}");
        }
    }

    #[test]
    fn nfc_composes_letters_and_accents() {
        let form = NormalForm::Nfc;
        assert_eq!(form.of("co\u{301}mo, cigu\u{308}en\u{303}a"), "cómo, cigüeña");
        assert!(matches!(form.of("cómo, Ж, 漢字, 🦜, عَ"), Cow::Borrowed(_)));
        assert!(matches!(NormalForm::AsIs.of("e\u{301}"), Cow::Borrowed(_)));
    }

    #[test]
    fn nfc_is_chosen_unless_the_text_distinguishes_both_forms() {
        let (apart, one) = ("nin\u{303}o y an\u{303}o\n", "niño y año\n");
        let meant = "e\u{301} a\u{308}\u{323}\nİstanbul\n";
        for (texts, form) in [
            (vec!["plain"], NormalForm::Nfc),
            (vec![one], NormalForm::Nfc),
            (vec![apart], NormalForm::Nfc),
            (vec![apart, one], NormalForm::Nfc),
            (vec![one, one, "e\u{301}\n"], NormalForm::Nfc),
            (vec![meant], NormalForm::AsIs),
            (vec![meant, "é\n"], NormalForm::Nfc),
        ] {
            assert_eq!(NormalForm::of_texts(&texts), form, "{texts:?}");
        }
    }

    #[test]
    fn normalised_pieces_join_into_the_normalised_text() {
        let text = "un an\u{303}o y otro\n\n  a\u{301}rbol\n".repeat(100_000);
        let (mut joined, mut pieces) = (String::new(), 0);
        NormalForm::Nfc.each(&text, |piece| {
            joined += &piece;
            pieces += 1;
        });
        assert_eq!((joined == nfc(&text), pieces > 2), (true, true));
    }
}
