//! A source: the documents of one file and their origin.

use std::ops::Range;

use serde::Serialize;

use super::encoding::Encoding;
use crate::chat::whatsapp::ChatReport;

/// The documents of one file, one after another in one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The file's name.
    pub name: String,
    /// Where each document lies in `text`, in the file's order; none is empty or blank.
    pub documents: Vec<Range<usize>>,
    /// The documents, one after another.
    pub text: String,
    /// The encoding in which the file was read.
    pub encoding: Encoding,
    /// The CSV column or JSON field the documents came from; none for plain text and bare JSON strings.
    pub field: Option<String>,
    /// The columns or fields there were to choose from: the first 256.
    pub fields: Vec<String>,
    /// How many more there are.
    pub more_fields: usize,
    /// Whether some of the records are conversations, so that a person can have them read as these.
    pub conversational: bool,
    /// What was done differently than expected.
    pub notices: Vec<Notice>,
    /// Turns of the conversations that the documents are; 0 where they are plain text.
    pub turns: u64,
    /// Of a chat that WhatsApp or another program has exported.
    pub chat: Option<ChatReport>,
}

impl Source {
    /// The text of each document.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|range| &self.text[range.clone()])
    }
}

impl Notice {
    /// The notice that a file was read in an encoding that it does not name.
    pub fn encoding_guessed(name: &str, encoding: Encoding) -> Self {
        let name = name.to_owned();
        match encoding {
            Encoding::Windows1252 => Self::DecodedAsWindows1252 { name },
            _ => Self::EncodingGuessed { name, encoding },
        }
    }
}

/// Something a person should know about a file that was used all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "code", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
#[expect(missing_docs, reason = "a variant's comment says what its fields are")]
pub enum Notice {
    /// The bytes were not UTF-8, so they were read as Windows-1252, where every byte is a character.
    DecodedAsWindows1252 { name: String },
    /// The bytes were not UTF-8, so they were read in the encoding in which they look most like words.
    EncodingGuessed { name: String, encoding: Encoding },
    /// Lines or other stretches were not in the encoding of the rest, and were read in this one.
    PartsInAnotherEncoding { name: String, encoding: Encoding, count: u64 },
    /// NULs, which no text has a use for, were left out.
    NulsLeftOut { name: String, count: u64 },
    /// Bytes that stand for no character, or halves of surrogate pairs, became U+FFFD, or what they most likely were.
    CharactersReplaced { name: String, count: u64 },
    /// Lines that are no JSON were left out.
    JsonLinesBroken { name: String, count: u64, first_line: u64 },
    /// Rows have more or fewer cells than the header; those with the chosen column were used.
    RaggedRows { name: String, count: u64, first_line: u64 },
    /// Rows or records without text in the chosen field were left out.
    RowsWithoutText { name: String, count: u64 },
    /// Turns without words, or of somebody who is neither person nor model, were left out of conversations.
    TurnsLeftOut { name: String, count: u64 },
    /// Records that are no conversation, or in which the model has nothing to say, were left out.
    RecordsWithoutAnswer { name: String, count: u64 },
    /// So many lines begin with a date and a name, as a chat's do, but in no form that is known: it was read as plain text.
    ChatReadAsPlain { name: String, count: u64 },
    /// Only so many of a hundred words in the file are read; most of the others are in this field.
    TextElsewhere { name: String, percent: u64, field: String },
    /// Texts that were UTF-8 taken for Latin-1, as in Meta's exports, were put right.
    LettersMended { name: String, count: u64 },
    /// A quotation mark on this line is never closed; from there on quotation marks were read as plain characters.
    QuoteUnclosed { name: String, line: u64 },
}
