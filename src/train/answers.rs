//! What of a conversation a model learns to say: the assistant's words and the token that ends them. The rest is only read.
//!
//! Nothing is kept beside the ids: which turn a token belongs to is told by the last token before it that begins or ends
//! one. Outside of conversations, every token counts.

/// The ids that begin and end turns and documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answers {
    /// System, user, assistant, end of a turn: as `chat::TOKENS`.
    pub tokens: [u16; 4],
    pub end_of_text: u16,
}

/// What a token follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Document,
    Answer,
    /// A turn that is read, or the place between two.
    Other,
}

impl Answers {
    fn begins(&self, id: u16) -> bool {
        self.tokens[..3].contains(&id)
    }

    /// What comes after this id, if it changes that.
    fn after(&self, id: u16) -> Option<Within> {
        match id {
            _ if id == self.tokens[2] => Some(Within::Answer),
            _ if self.tokens.contains(&id) => Some(Within::Other),
            _ if id == self.end_of_text => Some(Within::Document),
            _ => None,
        }
    }

    /// Whether each of `ids[from..to]` is learned.
    pub fn learned(&self, ids: &[u16], from: usize, to: usize) -> impl Iterator<Item = bool> {
        let before = ids[..from].iter().rev().find_map(|&id| self.after(id));
        let mut within = before.unwrap_or(Within::Document);
        ids[from..to].iter().map(move |&id| {
            let learned = within != Within::Other && !self.begins(id);
            within = self.after(id).unwrap_or(within);
            learned
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// System 10, user 11, assistant 12, end 13, end of text 14.
    const ANSWERS: Answers = Answers { tokens: [10, 11, 12, 13], end_of_text: 14 };

    #[test]
    fn answers_and_their_ends_are_learned_and_plain_text_too() {
        let ids = [1, 2, 14, 10, 3, 13, 11, 4, 13, 12, 5, 6, 13, 11, 7, 13, 12, 8, 13, 14, 9, 14];
        let right = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 1, 1].map(|learned| learned == 1);
        assert_eq!(ANSWERS.learned(&ids, 0, ids.len()).collect::<Vec<_>>(), right);
        // From anywhere it is the same.
        for from in 0..ids.len() {
            assert_eq!(ANSWERS.learned(&ids, from, ids.len()).collect::<Vec<_>>(), right[from..]);
        }
    }
}
