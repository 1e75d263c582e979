//! Renders a conversation as plain lines, "User: …" and "Assistant: …", for models whose tokenizer has no special
//! tokens for turns. An answer ends where the model begins a line with a speaker's name.

use super::{Message, Role};

impl Role {
    /// The beginning of a line in a transcript.
    pub fn line(self) -> &'static str {
        match self {
            Self::System => "System:",
            Self::User => "User:",
            Self::Assistant => "Assistant:",
        }
    }
}

const LINES: [Role; 3] = [Role::System, Role::User, Role::Assistant];

/// The text of a turn after its [`Role::line`].
pub fn words(message: &Message) -> String {
    match message.content.trim() {
        "" => String::new(),
        words => format!(" {words}"),
    }
}

pub const END: &str = "\n";

/// The text of an answer, piece by piece: without white space around it, and up to the next turn.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Text that may turn out not to be part of the answer.
    held: String,
    begun: bool,
    ended: bool,
}

impl Answer {
    /// Adds `piece` and returns the text that is certain to belong to the answer.
    pub fn push(&mut self, piece: &str) -> String {
        if self.ended {
            return String::new();
        }
        self.held.push_str(piece);
        let next_turn = |(at, _): (usize, &str)| LINES.iter().any(|role| self.held[at + 1..].starts_with(role.line()));
        if let Some((at, _)) = self.held.match_indices('\n').find(|&found| next_turn(found)) {
            self.ended = true;
            self.held.truncate(at);
            return self.release(self.held.trim_end().len());
        }
        let last_line = self.held.rfind('\n').map_or("", |at| &self.held[at..]);
        let may_end =
            last_line.strip_prefix('\n').is_some_and(|line| LINES.iter().any(|role| role.line().starts_with(line)));
        let sure = self.held.len() - if may_end { last_line.len() } else { 0 };
        self.release(self.held[..sure].trim_end().len())
    }

    /// Whether the next speaker's line has begun, which ends the answer.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The remaining text, after the last piece.
    pub fn finish(mut self, piece: &str) -> String {
        let text = self.push(piece);
        let rest = if self.ended { String::new() } else { self.release(self.held.trim_end().len()) };
        text + &rest
    }

    fn release(&mut self, length: usize) -> String {
        let released: String = self.held.drain(..length).collect();
        let text = if self.begun { released.as_str() } else { released.trim_start() };
        self.begun |= !text.is_empty();
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of a text, asserted to be equal for all pieces.
    fn answer(text: &str) -> (String, bool) {
        let whole = |length: usize| {
            let (mut answer, mut all) = (Answer::default(), String::new());
            let characters: Vec<char> = text.chars().collect();
            for piece in characters.chunks(length) {
                all += &answer.push(&piece.iter().collect::<String>());
            }
            let ended = answer.has_ended();
            (all + &answer.finish(""), ended)
        };
        let one = whole(1);
        for length in [2, 3, 7, 100] {
            assert_eq!(whole(length), one, "in pieces of {length}");
        }
        one
    }

    #[test]
    fn an_answer_ends_where_a_line_begins_another_turn() {
        assert_eq!(answer(" Hello.\nHow are you?\nUser: fine"), ("Hello.\nHow are you?".into(), true));
        assert_eq!(answer("\n Hello \n\nAssistant: again"), ("Hello".into(), true));
        assert_eq!(answer("\nUser: nothing was said"), (String::new(), true));
        assert_eq!(answer("ñ\nSystem:"), ("ñ".into(), true));
    }

    #[test]
    fn text_that_resembles_another_turn_is_kept() {
        assert_eq!(
            answer("The User: that is you.\nUsers: many\nUse"),
            ("The User: that is you.\nUsers: many\nUse".into(), false)
        );
        assert_eq!(answer(" two  spaces \n "), ("two  spaces".into(), false));
        assert_eq!(answer("  \n "), (String::new(), false));
    }

    #[test]
    fn text_that_may_become_a_name_is_held_back() {
        let mut answer = Answer::default();
        assert_eq!(answer.push("Yes.\nAss"), "Yes.");
        assert_eq!(answer.push("ume"), "\nAssume");
        assert_eq!(answer.push("\nUser"), "");
        assert_eq!(answer.push(": I"), "");
        assert!(answer.has_ended());
        assert_eq!(answer.finish("more"), "");
    }
}
