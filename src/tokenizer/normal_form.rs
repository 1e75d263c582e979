//! The form in which a tokenizer reads letters: as they stand, or in Unicode's normal form NFC, in which a letter and its
//! accent are one character where there is such a one.

use std::borrow::Cow;

use unicode_normalization_alignments::{IsNormalized, UnicodeNormalization, is_nfc_quick};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormalForm {
    AsIs,
    Nfc,
}

impl NormalForm {
    /// A text in this form; borrowed where nothing changes.
    pub fn of(self, text: &str) -> Cow<'_, str> {
        if self == Self::AsIs || is_nfc_quick(text.chars()) == IsNormalized::Yes {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.nfc().map(|(character, _)| character).collect())
    }

    /// Visits a text in this form.
    pub fn each<'t>(self, text: &'t str, mut visit: impl FnMut(Cow<'t, str>)) {
        visit(self.of(text));
    }
}
