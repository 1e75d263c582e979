//! What a tokenizer does to a text before it splits it: the normalizers of a `tokenizer.json` that are known here.

use std::borrow::Cow;

use super::normal_form::NormalForm;
use super::split::SPACE_MARK;

/// One normalizer of `tokenizers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The normal form NFC.
    Nfc,
    /// Puts a string before each stretch of text that is not empty, as SentencePiece does with a space.
    Prepend(String),
    /// Replaces each occurrence of the first string by the second.
    Replace(String, String),
}

/// The normalizers of a tokenizer, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Normalizer(Vec<Step>);

impl From<NormalForm> for Normalizer {
    fn from(form: NormalForm) -> Self {
        Self(match form {
            NormalForm::AsIs => Vec::new(),
            NormalForm::Nfc => vec![Step::Nfc],
        })
    }
}

impl Normalizer {
    pub fn new(steps: Vec<Step>) -> Self {
        Self(steps)
    }

    /// Whether a text has no `pattern` any more after it was normalised.
    pub fn replaces(&self, pattern: &str) -> bool {
        self.0.iter().any(|step| matches!(step, Step::Replace(from, _) if from == pattern))
    }

    /// Whether it only replaces spaces by marks, as SentencePiece does, and then whether it puts one before a text.
    pub fn marks_spaces(&self) -> Option<bool> {
        let mark = SPACE_MARK.to_string();
        let replaces = |step: &Step| matches!(step, Step::Replace(from, to) if from == " " && *to == mark);
        match &self.0[..] {
            [replace] if replaces(replace) => Some(false),
            [Step::Prepend(prefix), replace] if replaces(replace) && *prefix == mark => Some(true),
            _ => None,
        }
    }

    /// Whether a text may be normalised in pieces: nothing depends on where a piece begins.
    pub fn in_pieces(&self) -> bool {
        self.0.iter().all(|step| *step == Step::Nfc)
    }

    /// Returns a text as it is after all steps, borrowed if nothing changes.
    pub fn of<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.iter().fold(Cow::Borrowed(text), |text, step| match step {
            Step::Nfc => match NormalForm::Nfc.of(&text) {
                Cow::Borrowed(_) => text,
                Cow::Owned(form) => Cow::Owned(form),
            },
            Step::Prepend(prefix) if !text.is_empty() => Cow::Owned(format!("{prefix}{text}")),
            Step::Replace(from, to) if text.contains(&from[..]) => Cow::Owned(text.replace(from, to)),
            Step::Prepend(_) | Step::Replace(..) => text,
        })
    }

    /// Calls `visit` with the normalised text: whole, or piece by piece where that is the same.
    pub fn each<'t>(&self, text: &'t str, mut visit: impl FnMut(Cow<'t, str>)) {
        match &self.0[..] {
            [] => visit(Cow::Borrowed(text)),
            [Step::Nfc] => NormalForm::Nfc.each(text, visit),
            _ => visit(self.of(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_applied_in_their_order() {
        let spaces = || Step::Replace(" ".into(), "▁".into());
        let llama = Normalizer::new(vec![Step::Prepend("▁".into()), spaces()]);
        assert_eq!(llama.of("a  b"), "▁a▁▁b");
        assert_eq!(llama.of(" a"), "▁▁a");
        assert_eq!(llama.of(""), "");
        assert!(!llama.in_pieces() && llama.replaces(" ") && !llama.replaces("a"));
        let composed = Normalizer::new(vec![Step::Nfc, Step::Replace("é".into(), "e".into())]);
        assert_eq!(composed.of("e\u{301}"), "e");
        assert!(matches!(Normalizer::default().of("e\u{301}"), Cow::Borrowed(_)));
    }
}
