//! The context window: the ids that the model sees, and which are dropped when the context is full.
//!
//! GPT-2's positions end with its context, so a longer text needs a sliding window: when the window is full, its older
//! half is dropped and the rest is read again from position 0. In a conversation whole turns are dropped first, oldest
//! first; an answer is dropped with its question.

use std::collections::VecDeque;

use serde::Serialize;

/// Which part of a conversation does not fit into the context, so that the model does not see it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct LeftOut {
    /// The number of dropped turns, from the oldest on, not counting the system message.
    pub dropped: usize,
    /// Whether the system message is dropped.
    pub system_dropped: bool,
    /// Whether the beginning of the last question is cut off, because the question alone or with its answer is too
    /// long.
    pub question_cut: bool,
}

/// A conversation as token ids, in the order in which the model reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The system message with its turn tokens; empty if there is none.
    pub system: Vec<u32>,
    /// The earlier questions with their answers, oldest first.
    pub exchanges: Vec<Exchange>,
    /// The last turn of the user, which is to be answered.
    pub question: Question,
    /// The ids that begin the turn of the assistant.
    pub answer: Vec<u32>,
}

impl Prompt {
    /// The number of its token ids.
    pub fn length(&self) -> usize {
        let Question { begin, words, end } = &self.question;
        let exchanges: usize = self.exchanges.iter().map(|exchange| exchange.ids.len()).sum();
        exchanges + [&self.system, begin, words, end, &self.answer].map(Vec::len).iter().sum::<usize>()
    }
}

/// Turns that are dropped together: a question and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchange {
    /// The number of turns, for [`LeftOut::dropped`].
    pub turns: usize,
    /// The ids of these turns with their turn tokens.
    pub ids: Vec<u32>,
}

/// The turn to be answered, in three parts, because only its text may be cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The ids that begin a turn of the user.
    pub begin: Vec<u32>,
    /// The ids of the user's text.
    pub words: Vec<u32>,
    /// The ids that end the turn.
    pub end: Vec<u32>,
}

/// The token ids that the model sees, at most a context. The module's documentation says which are dropped when there
/// are more.
#[derive(Debug)]
pub struct Window {
    ids: Vec<u32>,
    context: usize,
    /// The number of ids at the start that are dropped last.
    system: usize,
    /// The exchanges after them: number of turns and number of ids of each.
    exchanges: VecDeque<(usize, usize)>,
    /// The number of ids that remain after dropping exchanges, if there are enough of them.
    target: usize,
    left_out: LeftOut,
}

impl Window {
    /// Creates a window with the last `context` ids of a text, or with the id `first` if there are none.
    pub fn of_text(ids: &[u32], first: u32, context: usize) -> Self {
        let start = ids.len().saturating_sub(context);
        let ids = if ids.is_empty() { vec![first] } else { ids[start..].to_vec() };
        Self { ids, context, system: 0, exchanges: VecDeque::new(), target: context, left_out: LeftOut::default() }
    }

    /// The number of ids that a conversation may have, so that there is room for an answer of `length` ids, or for a
    /// quarter of the context if that is less.
    pub fn room_for_prompt(context: usize, length: usize) -> usize {
        (context - length.min(context / 4)).max(1)
    }

    /// Creates a window of a conversation. Old turns are dropped until there is room for an answer of `length` ids, or
    /// for a quarter of the context if that is less. The beginning of a question is cut off if it alone is too long.
    pub fn of_conversation(prompt: Prompt, context: usize, length: usize) -> Self {
        let Prompt { system, exchanges, mut question, answer } = prompt;
        let target = Self::room_for_prompt(context, length);
        let asked = [&question.begin, &question.words, &question.end, &answer].map(Vec::len).iter().sum::<usize>();
        let cut = asked.saturating_sub(target).min(question.words.len());
        question.words.drain(..cut);
        let mut window = Self {
            system: system.len(),
            exchanges: exchanges.iter().map(|exchange| (exchange.turns, exchange.ids.len())).collect(),
            ids: system,
            context,
            target,
            left_out: LeftOut { question_cut: cut > 0, ..LeftOut::default() },
        };
        exchanges.iter().for_each(|exchange| window.ids.extend(&exchange.ids));
        [question.begin, question.words, question.end, answer].iter().for_each(|part| window.ids.extend(part));
        window.forget(target);
        // In a context of a few ids, too short for any text, the last ids are kept.
        window.ids.drain(..window.ids.len().saturating_sub(context));
        window
    }

    /// Returns the ids in the window. There may be one more than a context until [`make_room`](Self::make_room) is
    /// called.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// Returns which part of the conversation has been dropped so far.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Appends a generated id.
    pub fn push(&mut self, id: u32) {
        self.ids.push(id);
    }

    /// Drops ids if there are more than a context. Returns whether it did, so that the remaining ids are at other
    /// positions and a KV cache is no longer valid.
    pub fn make_room(&mut self) -> bool {
        let before = self.ids.len();
        if before <= self.context {
            return false;
        }
        self.forget(self.context);
        if self.ids.len() > self.context {
            let kept = (self.context / 2).max(1);
            self.ids.drain(..self.ids.len() - kept);
            self.left_out.question_cut = true;
        }
        true
    }

    /// Drops exchanges down to the target, and the system message if there are still more than `most` ids.
    fn forget(&mut self, most: usize) {
        while self.ids.len() > self.target
            && let Some((turns, ids)) = self.exchanges.pop_front()
        {
            self.ids.drain(self.system..self.system + ids);
            self.left_out.dropped += turns;
        }
        if self.ids.len() > most && self.system > 0 {
            self.ids.drain(..self.system);
            self.system = 0;
            self.left_out.system_dropped = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system message of 3 ids; two exchanges of 10; a question of 1 + 4 + 1; 1 that begins the answer.
    fn prompt() -> Prompt {
        let exchange = |start: u32| Exchange { turns: 2, ids: (start..start + 10).collect() };
        Prompt {
            system: vec![1, 2, 3],
            exchanges: vec![exchange(10), exchange(20)],
            question: Question { begin: vec![4], words: vec![5, 6, 7, 8], end: vec![9] },
            answer: vec![40],
        }
    }

    const ASKED: [u32; 7] = [4, 5, 6, 7, 8, 9, 40];

    fn seen(context: usize, length: usize) -> (Vec<u32>, LeftOut) {
        let window = Window::of_conversation(prompt(), context, length);
        assert!(window.ids().len() <= context);
        (window.ids().to_vec(), window.left_out())
    }

    #[test]
    fn whole_exchanges_are_dropped_oldest_first() {
        let second: Vec<u32> = (20..30).collect();
        assert_eq!(seen(30, 0).1, LeftOut::default());
        // Room for the answer is reserved, up to a quarter of the context.
        let (ids, left_out) = seen(31, 3);
        assert_eq!(ids, [&[1, 2, 3][..], &second, &ASKED].concat());
        assert_eq!(left_out, LeftOut { dropped: 2, ..LeftOut::default() });
        assert_eq!(seen(40, 1000).1, LeftOut::default());
        assert_eq!(seen(39, 1000).1.dropped, 0);
        assert_eq!(seen(38, 1000).1.dropped, 2);
        let (ids, left_out) = seen(15, 2);
        assert_eq!(ids, [&[1, 2, 3][..], &ASKED].concat());
        assert_eq!(left_out, LeftOut { dropped: 4, ..LeftOut::default() });
    }

    #[test]
    fn the_system_message_is_dropped_next_and_then_the_beginning_of_the_question() {
        let (ids, left_out) = seen(9, 1);
        assert_eq!(ids, ASKED);
        assert_eq!(left_out, LeftOut { dropped: 4, system_dropped: true, question_cut: false });
        let (ids, left_out) = seen(6, 1);
        assert_eq!(ids, [4, 7, 8, 9, 40]);
        assert_eq!(left_out, LeftOut { dropped: 4, system_dropped: true, question_cut: true });
        assert_eq!(seen(2, 9).0, [9, 40]);
        assert_eq!(seen(1, 9).0, [40]);
    }

    #[test]
    fn a_long_answer_drops_whole_turns_before_its_own_beginning() {
        let mut window = Window::of_conversation(prompt(), 32, 2);
        assert_eq!(window.left_out().dropped, 0);
        let mut id = 100;
        let mut write = |window: &mut Window, ids: usize| {
            for _ in 0..ids {
                window.push(id);
                id += 1;
            }
        };
        write(&mut window, 2);
        assert!(!window.make_room());
        write(&mut window, 1);
        assert!(window.make_room());
        assert_eq!(window.left_out(), LeftOut { dropped: 2, ..LeftOut::default() });
        assert_eq!(window.ids()[..4], [1, 2, 3, 20]);
        write(&mut window, 10);
        assert!(window.make_room());
        assert_eq!(window.left_out().dropped, 4);
        assert_eq!(window.ids()[..4], [1, 2, 3, 4]);
        write(&mut window, 10);
        assert!(window.make_room());
        assert_eq!(window.left_out(), LeftOut { dropped: 4, system_dropped: true, question_cut: false });
        assert_eq!(window.ids()[..7], ASKED);
        write(&mut window, 3);
        assert!(window.make_room());
        assert!(window.left_out().question_cut);
        assert_eq!(window.ids(), (110..126).collect::<Vec<u32>>());
    }
}
