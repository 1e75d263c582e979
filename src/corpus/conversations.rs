//! Records that are conversations: each becomes one document, the text that `chat::render` makes of it.

use std::ops::Range;

use super::fields::SAMPLE;
use crate::chat::{self, records};

/// The documents so far, and what was left out.
#[derive(Debug, Default)]
pub struct Conversations {
    pub text: String,
    pub documents: Vec<Range<usize>>,
    pub turns: u64,
    /// Turns left out of conversations that are used.
    pub left_out: u64,
    /// Records that are none, or in which the model has nothing to say.
    pub without: u64,
}

impl Conversations {
    pub fn add(&mut self, json: &str) {
        let Some(conversation) = records::conversation(json) else {
            self.without += 1;
            return;
        };
        let start = self.text.len();
        self.text.push_str(&chat::render(&conversation.messages));
        self.documents.push(start..self.text.len());
        self.turns += conversation.messages.len() as u64;
        self.left_out += conversation.left_out;
    }
}

/// Whether half of the first records, or more, are conversations.
pub fn are_most<'a>(records: impl Iterator<Item = &'a str>) -> bool {
    let (mut seen, mut found) = (0, 0);
    for json in records.take(SAMPLE) {
        seen += 1;
        found += usize::from(records::conversation(json).is_some());
    }
    found > 0 && 2 * found >= seen
}
