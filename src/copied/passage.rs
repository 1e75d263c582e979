//! A passage of the training text, with its context.

use serde::Serialize;

use super::learned::{LearnedText, Place};

/// Approximate bytes of context on either side.
const SURROUNDINGS: usize = 180;

/// A passage of the training text.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[cfg_attr(target_arch = "wasm32", tsify(missing_as_null))]
pub struct Passage {
    /// The name of its file; `None` if the text of the run is not loaded.
    pub source: Option<String>,
    /// Its position as a share of the training text, from 0 to 1.
    pub at: f64,
    /// The context before it, from the beginning of a word. It begins with "…" if the document has more.
    pub before: String,
    /// The passage itself.
    pub text: String,
    /// The context after it, to the end of a word. It ends with "…" if the document has more.
    pub after: String,
}

impl Passage {
    /// Makes a passage of the `length` bytes that end `beyond` bytes before `place`.
    pub fn new(learned: &LearnedText, place: Place, beyond: usize, length: usize) -> Self {
        let (bytes, more_before) = learned.before(place, SURROUNDINGS + length + beyond);
        let passage_end = bytes.len().saturating_sub(beyond);
        let passage_start = passage_end.saturating_sub(length);
        let (following, more_after) = learned.after(place, SURROUNDINGS);
        let after = [&bytes[passage_end..], &following].concat();
        Self {
            source: learned.source(place).map(str::to_owned),
            at: learned.share_before(place),
            before: from_whole_word(&bytes[..passage_start], more_before),
            text: text(&bytes[passage_start..passage_end]),
            after: to_whole_word(&after, more_after),
        }
    }

    /// Moves words that the passage cuts into its context, where the passage has whole words beside them.
    pub fn in_whole_words(mut self) -> Self {
        let is_space = char::is_whitespace;
        let is_cut = |before: &str, after: &str| {
            !(before.is_empty() || before.ends_with(is_space) || after.starts_with(is_space))
        };
        if is_cut(&self.before, &self.text)
            && let Some(space) = self.text.find(is_space)
        {
            self.before.extend(self.text.drain(..space));
        }
        if !self.after.is_empty()
            && is_cut(&self.text, &self.after)
            && let Some(space) = self.text.rfind(is_space)
        {
            self.after.insert_str(0, &self.text[space..]);
            self.text.truncate(space);
        }
        self
    }
}

/// Decodes bytes that may begin and end within a character.
fn text(bytes: &[u8]) -> String {
    bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()
}

fn from_whole_word(bytes: &[u8], is_cut: bool) -> String {
    let text = text(bytes);
    if !is_cut {
        return text;
    }
    let whole = text.find(char::is_whitespace).map_or(&text[..], |space| text[space..].trim_start());
    format!("…{}", if whole.is_empty() { &text } else { whole })
}

fn to_whole_word(bytes: &[u8], is_cut: bool) -> String {
    let text = text(bytes);
    if !is_cut {
        return text;
    }
    let whole = text.rfind(char::is_whitespace).map_or(&text[..], |space| text[..space].trim_end());
    format!("{}…", if whole.is_empty() { &text } else { whole })
}
