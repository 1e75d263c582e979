//! The special tokens around the turns of a conversation: data of each model's tokenizer.

use serde::{Deserialize, Serialize};

use super::special::Specials;

/// The texts of four special tokens. The first three begin a turn, by who speaks; the last ends every turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnTokens {
    pub system: String,
    pub user: String,
    pub assistant: String,
    pub end: String,
}

impl TurnTokens {
    /// Those that a model gets here that knows no conversations, and that tokenizers have whose files name no others. In this
    /// order they get their ids.
    pub const OURS: [&str; 4] = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"];

    pub fn ours() -> Self {
        let [system, user, assistant, end] = Self::OURS.map(|content| content.to_owned());
        Self { system, user, assistant, end }
    }

    /// System, user, assistant, end of a turn.
    pub fn contents(&self) -> [&str; 4] {
        [&self.system, &self.user, &self.assistant, &self.end]
    }

    /// The first two characters of each token, each pair once. Words in which these are kept apart spell none of the tokens.
    pub fn beginnings(&self) -> Vec<(char, char)> {
        let mut pairs = Vec::new();
        for content in self.contents() {
            let mut characters = content.chars();
            let pair = characters.next().zip(characters.next());
            pairs.extend(pair.filter(|pair| !pairs.contains(pair)));
        }
        pairs
    }

    /// Whether all four are special tokens of a tokenizer, four different ones, that a space after the first character breaks
    /// up wherever they are spelled.
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
