//! What of a text that a model wrote stands word for word in the text it was trained on, and which passages of that text are
//! most like the rest.
//!
//! The text that was written is indexed (`automaton.rs`), and the training text is read once past that index: nothing of
//! the size of the training text is built or kept, and the time is linear in its length whatever both texts are. The
//! training text is read from the token ids of the run, the training split alone, so it is what the model has learned
//! from, also in a run that was restored without its text.
//!
//! A run of what was written counts as copied if it stands in one document of the training text, character for
//! character, and has at least [`FEWEST_WORDS`] whole words or [`FEWEST_CHARACTERS`] characters. Whichever is reached
//! first decides, so that one rule serves all tokenizers, and scripts with spaces between words and without.

mod automaton;
mod learned;
mod nearest;
mod passage;
mod runs;
mod search;
#[cfg(test)]
mod tests;
mod words;

use serde::Serialize;

pub use learned::{LearnedText, SourceEnd};
pub use nearest::NearestSearch;
pub use passage::Passage;
pub use search::CopiedSearch;

/// Whole words from which on a run counts as copied.
pub const FEWEST_WORDS: usize = 8;
/// Characters from which on a run counts as copied, of whatever words it is.
pub const FEWEST_CHARACTERS: usize = 40;

/// Tokens of the training text that are read in one go: a few milliseconds.
const SLICE: usize = 1 << 17;

/// A written text, divided into what is copied and what is not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Copied {
    /// The share of the characters that is copied, from 0 to 1; spaces are not counted.
    pub share: f64,
    /// Whole words from which on a run counts as copied.
    pub fewest_words: usize,
    /// Characters from which on a run counts as copied, of whatever words it is.
    pub fewest_characters: usize,
    /// The whole text in order.
    pub pieces: Vec<CopiedPiece>,
}

/// A piece of a written text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[cfg_attr(target_arch = "wasm32", tsify(missing_as_null))]
pub struct CopiedPiece {
    /// The words.
    pub text: String,
    /// A place of the training text where they stand; `None` if they are not copied.
    pub passage: Option<Passage>,
}
