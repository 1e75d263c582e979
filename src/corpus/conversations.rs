//! Reads records that are conversations: each becomes one document, the text that `chat::render` returns.

use std::ops::Range;

use super::fields::{Amount, SAMPLE};
use crate::chat;
use crate::chat::records::{self, Form};

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
    /// Letters of the turns, also of records without an answer; and those of the first [`SAMPLE`] records.
    pub letters: u64,
    pub letters_of_sample: u64,
    seen: usize,
}

impl Conversations {
    /// `bytes`: as many as the text may have. Asked for at once, as a text that grows is copied for a moment.
    pub fn with_room(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), ..Self::default() }
    }

    pub fn add(&mut self, json: &str) {
        self.add_form(records::form(json));
    }

    pub fn add_form(&mut self, form: Form) {
        self.seen += 1;
        // What is left out as nobody answers is told in another way.
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

/// What the first records say of all of them. Records of which nothing is there say nothing.
#[derive(Debug, Default)]
pub struct Forms {
    /// Records that are conversations, whether or not there is an answer in them.
    known: usize,
    empty: usize,
    others: usize,
}

impl Forms {
    /// Notes a record; false once enough are known.
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

    /// Whether half of the records, or more, are conversations.
    pub fn are_most(&self) -> bool {
        self.known > 0 && self.known >= self.others
    }

    /// Whether later records may be conversations: so far all are empty ones.
    pub fn may_be(&self) -> bool {
        self.empty > 0 && self.known + self.others == 0
    }

    /// Whether a person may want to read the records as conversations.
    pub fn are_some(&self) -> bool {
        self.known > 0
    }
}
