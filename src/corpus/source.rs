//! A source: the documents of one file and their origin.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::encoding::Encoding;
use crate::chat::whatsapp::ChatReport;

/// The documents of one file, one after another in one text.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The file's name.
    pub name: String,
    /// The range of each document in `text`, in file order; none is empty or blank.
    pub documents: Vec<Range<usize>>,
    /// The documents, one after another.
    pub text: String,
    /// The encoding in which the file was read.
    pub encoding: Encoding,
    /// The CSV column or JSON field of the documents; `None` for plain text and bare JSON strings.
    pub field: Option<String>,
    /// The columns or fields to choose from, at most 256.
    pub fields: Vec<String>,
    /// The number of further columns or fields.
    pub more_fields: usize,
    /// Whether some of the records are conversations, so that they can be read as such.
    pub conversational: bool,
    /// Deviations from what a user would expect.
    pub notices: Vec<Notice>,
    /// Number of turns in the conversations; 0 for plain text.
    pub turns: u64,
    /// The report on a chat export of WhatsApp or another program.
    pub chat: Option<ChatReport>,
}

impl Source {
    /// The text of each document.
    pub fn documents(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().map(|range| &self.text[range.clone()])
    }
}

impl Notice {
    /// The notice that a file was decoded in a guessed encoding.
    pub fn encoding_guessed(name: &str, encoding: Encoding) -> Self {
        let name = name.to_owned();
        match encoding {
            Encoding::Windows1252 => Self::DecodedAsWindows1252 { name },
            _ => Self::EncodingGuessed { name, encoding },
        }
    }
}

/// A deviation that the user should know about, for a file that was accepted.
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
    /// NULs were removed.
    NulsLeftOut { name: String, count: u64 },
    /// Invalid bytes, or unpaired surrogates, became U+FFFD, or the most likely character.
    CharactersReplaced { name: String, count: u64 },
    /// Lines that are not valid JSON were left out.
    JsonLinesBroken { name: String, count: u64, first_line: u64 },
    /// Rows have more or fewer cells than the header; those with the chosen column were used.
    RaggedRows { name: String, count: u64, first_line: u64 },
    /// Rows or records without text in the chosen field were left out.
    RowsWithoutText { name: String, count: u64 },
    /// Turns without text, or of roles other than user and assistant, were left out of conversations.
    TurnsLeftOut { name: String, count: u64 },
    /// Records that are no conversation, or have no answer, were left out.
    RecordsWithoutAnswer { name: String, count: u64 },
    /// This many lines begin with a date and a name, as in a chat, but in no known form: the file was read as plain
    /// text.
    ChatReadAsPlain { name: String, count: u64 },
    /// Only this percentage of the file's text is read; most of the rest is in this field.
    TextElsewhere { name: String, percent: u64, field: String },
    /// Texts that were UTF-8 decoded as Latin-1, as in Meta's exports, were repaired.
    LettersMended { name: String, count: u64 },
    /// A quotation mark on this line is never closed; from there on quotation marks were read as plain characters.
    QuoteUnclosed { name: String, line: u64 },
    /// This many parts of a document are not in the text that the page extracted from it.
    LeftOutOfDocument { name: String, kind: DocumentPart, count: u64 },
    /// Addresses and long numbers in letters were replaced, as in chats.
    AddressesReplaced { name: String, count: u64 },
}

/// The parts of documents that are not read as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum DocumentPart {
    /// Lines at the edges of pages: running heads, footers and page numbers.
    RunningHeads,
    /// Pages without text, such as scanned ones.
    PagesWithoutText,
    /// Pages or chapters that cannot be read.
    DamagedPages,
    /// Pictures.
    Pictures,
    /// Comments in the margin.
    Remarks,
    /// Times of subtitles.
    Times,
    /// Files that were sent with a letter.
    Attachments,
    /// Lines that a letter quotes from an earlier one.
    QuotedLines,
}
