//! Finds the parts of a generated text that are verbatim copies of the training text, and the training passages most
//! similar to the rest.
//!
//! The generated text is indexed (`automaton.rs`), and the training text is scanned once against that index: nothing of
//! the training text's size is built or kept, and the time is linear in its length for any two texts. The training text
//! is decoded from the token ids of the run's training split, so it is exactly what the model was trained on, also in a
//! run that was restored without its text.
//!
//! A substring of the generated text counts as copied if one document of the training text contains it, character for
//! character, and it has at least [`FEWEST_WORDS`] whole words or [`FEWEST_CHARACTERS`] characters. One of the two is
//! enough, so that one rule serves all tokenizers, and scripts with and without spaces between words.

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

/// Fewest whole words of a run that counts as copied.
pub const FEWEST_WORDS: usize = 8;
/// Fewest characters of a run that counts as copied, whatever its words.
pub const FEWEST_CHARACTERS: usize = 40;

/// Tokens of the training text that are read at once: a few milliseconds.
const SLICE: usize = 1 << 17;

/// A generated text, divided into copied and other pieces.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Copied {
    /// The share of copied characters, from 0 to 1; spaces are not counted.
    pub share: f64,
    /// Fewest whole words of a run that counts as copied.
    pub fewest_words: usize,
    /// Fewest characters of a run that counts as copied, whatever its words.
    pub fewest_characters: usize,
    /// All pieces of the text, in order.
    pub pieces: Vec<CopiedPiece>,
}

/// A piece of a generated text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[cfg_attr(target_arch = "wasm32", tsify(missing_as_null))]
pub struct CopiedPiece {
    /// The piece's text.
    pub text: String,
    /// One passage of the training text that contains it; `None` if it is not copied.
    pub passage: Option<Passage>,
}
