//! Loss mask for chats: only the assistant's text and the token that ends it count. The rest is context.
//!
//! The last token before a token that begins or ends a turn decides which turn it belongs to. Outside of conversations
//! every token counts. Beside the ids, only the assistant turns that do not count are stored.

use crate::tokenizer::TokenIds;

/// The two splits of a text: training data and validation data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The split that the weights are fitted to.
    Train,
    /// The split that the loss is only measured on.
    Validation,
}

/// The token ids that a loss mask of conversations follows from: those that begin and end turns and documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// The ids that begin a turn of the system, the user and the assistant, and the id that ends a turn, in the order
    /// of `chat::TOKENS`.
    pub tokens: [u32; 4],
    /// The id that ends a document, where the tokenizer has one.
    pub end_of_text: Option<u32>,
    /// Assistant turns that do not count in the loss: sorted positions of their first token in the ids of the training
    /// split and of the validation split.
    pub only_read: [Vec<u32>; 2],
}

/// The kind of text that a token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Document,
    Answer,
    /// A turn that is only read, or the gap between two turns.
    Other,
}

impl Answers {
    fn begins(&self, id: u32) -> bool {
        self.tokens[..3].contains(&id)
    }

    /// The kind of text after this id at this position, if the id changes it.
    fn after(&self, side: Side, place: usize, id: u32) -> Option<Within> {
        match id {
            _ if id == self.tokens[2] => {
                let only_read = self.only_read[side as usize].binary_search(&(place as u32)).is_ok();
                Some(if only_read { Within::Other } else { Within::Answer })
            }
            _ if self.tokens.contains(&id) => Some(Within::Other),
            _ if Some(id) == self.end_of_text => Some(Within::Document),
            _ => None,
        }
    }

    /// Returns the loss mask of `ids[from..to]`: whether each token counts as a target. `ids` are all ids of this
    /// split.
    pub fn loss_mask(&self, side: Side, ids: &TokenIds, from: usize, to: usize) -> impl Iterator<Item = bool> {
        let before = (0..from).rev().find_map(|place| self.after(side, place, ids.at(place)));
        let mut within = before.unwrap_or(Within::Document);
        ids.range(from..to).zip(from..).map(move |(id, place)| {
            let learned = within != Within::Other && !self.begins(id);
            within = self.after(side, place, id).unwrap_or(within);
            learned
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of the tests: system 10, user 11, assistant 12, end of turn 13, end of text 14.
    const ANSWERS: Answers =
        Answers { tokens: [10, 11, 12, 13], end_of_text: Some(14), only_read: [Vec::new(), Vec::new()] };

    #[test]
    fn assistant_turns_with_their_ends_and_plain_text_count_in_the_loss() {
        let ids = TokenIds::from(vec![1, 2, 14, 10, 3, 13, 11, 4, 13, 12, 5, 6, 13, 11, 7, 13, 12, 8, 13, 14, 9, 14]);
        let right = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1].map(|learned| learned == 1);
        assert_eq!(ANSWERS.loss_mask(Side::Train, &ids, 0, ids.len()).collect::<Vec<_>>(), right);
        // The mask is the same from any start.
        for from in 0..ids.len() {
            assert_eq!(ANSWERS.loss_mask(Side::Train, &ids, from, ids.len()).collect::<Vec<_>>(), right[from..]);
        }
    }

    #[test]
    fn an_assistant_turn_that_does_not_count_is_masked_in_its_own_split_only() {
        let ids = TokenIds::from(vec![11, 1, 13, 12, 5, 13, 11, 2, 13, 12, 6, 13, 14]);
        let answers = Answers { only_read: [vec![3], vec![9]], ..ANSWERS };
        let mask = |side, from| answers.loss_mask(side, &ids, from, ids.len()).collect::<Vec<_>>();
        let right = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0].map(|learned| learned == 1);
        for from in 0..ids.len() {
            assert_eq!(mask(Side::Train, from), right[from..]);
        }
        assert!(mask(Side::Validation, 0)[4] && !mask(Side::Validation, 0)[10]);
    }
}
