//! Reads files into documents of clean text and splits them into training and validation data.
//!
//! A [`FileReader`] takes one file in chunks: `gzip` inflates, `binary` refuses what is no text, `decode` makes text of
//! bytes and LF of every line ending. At the end the format (`table`, `jsonlines`, `json`, or plain text) says which
//! parts of the text are documents; of JSON and tables `census` counts where their words are, so that nothing is read that is
//! not what the file is about. The [`Source`] that comes out joins the [`Corpus`] only when all of that went
//! well, so a bad file changes nothing that was loaded before.

mod binary;
mod budget;
mod census;
mod collection;
mod compact;
mod conversations;
mod decode;
mod encoding;
mod fields;
mod grid;
mod guess;
mod gzip;
mod header;
mod json;
mod jsonlines;
mod latin1;
mod legacy;
mod newlines;
mod parsed;
mod pick;
mod reader;
mod rows;
mod source;
mod split;
mod table;
mod tally;
mod text;
mod utf16;
mod utf8;
mod windows1252;

pub use budget::{Budget, most_documents};
pub use collection::{Corpus, SourceSummary, Summary};
pub use encoding::Encoding;
pub use fields::SAMPLE;
pub use jsonlines::likely_field;
pub use newlines::{LineEnds, Pairs, all_lf};
pub use reader::{DEFAULT_LIMIT, FileReader, ReadOptions};
pub use source::{Notice, Source};
pub use split::{HeldBack, Split};
