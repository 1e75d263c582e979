//! Reads files into documents of clean text and splits them into training and validation data.
//!
//! A [`FileReader`] reads one file in chunks: `gzip` inflates, `binary` refuses binary files, `decode` decodes bytes to
//! text with LF line endings. At the end the format (`table`, `jsonlines`, `json`, or plain text) determines which
//! parts of the text are documents; for JSON and tables `census` counts the text of each field, so that a minor field
//! is not read by mistake. The resulting [`Source`] is added to the [`Corpus`] only if all of that succeeds, so a bad
//! file does not change what was loaded before.

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
mod letters;
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
pub use source::{DocumentPart, Notice, Source};
pub use split::{HeldBack, Split};
