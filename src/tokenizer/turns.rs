//! The special tokens around the turns of a conversation: data of each model's tokenizer.

use serde::{Deserialize, Serialize};

use super::special::Specials;

/// The texts of the four special tokens of a chat template. Three begin a turn, one for each role, and the last ends
/// every turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct TurnTokens {
    /// Begins the system message.
    pub system: String,
    /// Begins a turn of the user.
    pub user: String,
    /// Begins a turn of the assistant.
    pub assistant: String,
    /// Ends a turn of any role.
    pub end: String,
}

impl TurnTokens {
    /// Lorito's own turn tokens, which it adds to a model without a chat template, and assumes if its files name no
    /// others. They get their ids in this order.
    pub const OURS: [&str; 4] = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

    /// Returns the tokens of [`OURS`](Self::OURS) by their roles.
    pub fn ours() -> Self {
        let [system, user, assistant, end] = Self::OURS.map(|content| content.to_owned());
        Self { system, user, assistant, end }
    }

    /// Returns the four texts: system, user, assistant, end of a turn.
    pub fn contents(&self) -> [&str; 4] {
        [&self.system, &self.user, &self.assistant, &self.end]
    }

    /// Returns the first two characters of each token, without repetition. A text that never has such a pair side by
    /// side contains none of the tokens.
    pub fn beginnings(&self) -> Vec<(char, char)> {
        let mut pairs = Vec::new();
        for content in self.contents() {
            let mut characters = content.chars();
            let pair = characters.next().zip(characters.next());
            pairs.extend(pair.filter(|pair| !pairs.contains(pair)));
        }
        pairs
    }

    /// Whether all four are distinct special tokens of a tokenizer, which a space after the first character breaks up
    /// wherever they are spelled.
    pub(super) fn fit(&self, specials: &Specials) -> bool {
        let contents = self.contents();
        let differ = (1..4).all(|index| !contents[..index].contains(&contents[index]));
        let breaks = |content: &&str| {
            let mut characters = content.chars();
            let pair = characters.next().zip(characters.next());
            pair.is_some_and(|(first, second)| first != second && !first.is_whitespace() && !second.is_whitespace())
        };
        differ && contents.iter().all(|content| breaks(content) && specials.id(content).is_some())
    }
}
