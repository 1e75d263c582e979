//! Reads records that are conversations: each becomes one document, the text that `chat::render` returns.

use std::ops::Range;

use super::fields::{Amount, SAMPLE};
use crate::chat;
use crate::chat::records::{self, Form};

/// The documents so far, and the number of turns and records left out.
#[derive(Debug, Default)]
pub struct Conversations {
    pub text: String,
    pub documents: Vec<Range<usize>>,
    pub turns: u64,
    /// Number of turns left out of conversations that are used.
    pub left_out: u64,
    /// Number of records that are no conversations, or have no answer.
    pub without: u64,
    /// Letters of the turns, including records without an answer; and those of the first [`SAMPLE`] records.
    pub letters: u64,
    pub letters_of_sample: u64,
    seen: usize,
}

impl Conversations {
    /// Reserves `bytes`, the most that the text may have, at once, because a growing text is copied.
    pub fn with_room(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ..Self::default() }
    }

    pub fn add(&mut self, json: &str) {
        self.add_form(records::form(json));
    }

    pub fn add_form(&mut self, form: Form) {
        self.seen += 1;
        // Turns of records without an answer are reported separately.
        if let Form::Spoken(conversation) | Form::Silent(conversation) = &form {
            let letters: u64 = conversation.messages.iter().map(|message| Amount::of(&message.content).letters).sum();
            self.letters += letters;
            if self.seen <= SAMPLE {
                self.letters_of_sample += letters;
            }
        }
        let Form::Spoken(conversation) = form else {
            self.without += 1;
            return;
        };
        let start = self.text.len();
        self.text.push_str(&chat::render_with(&conversation.messages, &conversation.only_read));
        self.documents.push(start..self.text.len());
        self.turns += conversation.messages.len() as u64;
        self.left_out += conversation.left_out;
    }
}

/// Whether the first records are conversations. Empty records do not count.
#[derive(Debug, Default)]
pub struct Forms {
    /// Records that are conversations, with or without an answer.
    known: usize,
    empty: usize,
    others: usize,
}

impl Forms {
    /// Adds a record; false once enough are known.
    pub fn note(&mut self, json: &str) -> bool {
        match records::form(json) {
            Form::Empty => self.empty += 1,
            Form::Silent(_) | Form::Spoken(_) => self.known += 1,
            Form::Other => self.others += 1,
        }
        self.known + self.others < SAMPLE
    }

    pub fn of<'a>(records: impl Iterator<Item = &'a str>) -> Self {
        let mut forms = Self::default();
        for record in records {
            if !forms.note(record) {
                break;
            }
        }
        forms
    }

    /// Whether at least half of the records are conversations.
    pub fn are_most(&self) -> bool {
        self.known > 0 && self.known >= self.others
    }

    /// Whether later records may be conversations: so far all are empty.
    pub fn may_be(&self) -> bool {
        self.empty > 0 && self.known + self.others == 0
    }

    /// Whether reading the records as conversations should be offered.
    pub fn are_some(&self) -> bool {
        self.known > 0
    }
}
