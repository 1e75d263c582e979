//! Limits and checks of one file's text: its kind, its size, and the errors that refuse it.

use super::binary;
use super::decode::{Decoded, Decoder, Full};
use super::encoding::Encoding;
use super::reader::ReadOptions;
use super::utf16;
use crate::error::{Error, Result};

/// Bytes decoded at a time, so that a large chunk needs no second copy of its size.
const PIECE: usize = 64 << 10;

/// Whether the first bytes are binary, apart from parts in UTF-16.
fn is_binary(head: &[u8]) -> bool {
    let mut rest = Vec::new();
    let mut at = 0;
    for (range, _) in utf16::parts(head) {
        rest.extend_from_slice(&head[at..range.start]);
        at = range.end;
    }
    rest.extend_from_slice(&head[at..]);
    binary::has_binary_bytes(&rest)
}

/// Decodes the decompressed bytes of a file.
pub struct TextReader {
    name: String,
    options: ReadOptions,
    stage: Stage,
}

enum Stage {
    /// The first bytes, kept until there are enough to detect their kind.
    Head(Vec<u8>),
    Decoding(Decoder),
}

impl TextReader {
    pub fn new(name: &str, options: ReadOptions) -> Self {
        Self { name: name.to_owned(), options, stage: Stage::Head(Vec::new()) }
    }

    /// For a compressed file, whose size does not limit its text.
    pub fn size_is_unknown(&mut self) {
        self.options.expected_bytes = 0;
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        if let Stage::Head(head) = &mut self.stage {
            let missing = binary::HEAD - head.len();
            let (more, after) = rest.split_at(missing.min(rest.len()));
            head.extend_from_slice(more);
            if head.len() < binary::HEAD {
                return Ok(());
            }
            self.start()?;
            rest = after;
        }
        self.decode(rest)
    }

    pub fn finish(mut self) -> Result<Decoded> {
        if matches!(self.stage, Stage::Head(_)) {
            self.start()?;
        }
        let too_large = self.too_large();
        let Self { name, options, stage } = self;
        // start() succeeded, so the head has been processed.
        let Stage::Decoding(decoder) = stage else { return Err(Error::FileEmpty { name }) };
        let decoded = decoder.finish().map_err(|Full { .. }| too_large.clone())?;
        if decoded.text.len() as u64 > options.limit {
            return Err(too_large);
        }
        // Valid UTF-8 is text. But Windows-1252, and nearly UTF-16, accept any bytes.
        let sure = decoded.encoding == Encoding::Utf8 && decoded.nuls == 0;
        if decoded.nuls > decoded.text.len() as u64 || (!sure && binary::has_binary_bytes(decoded.text.as_bytes())) {
            return Err(Error::FileBinary { name, kind: None });
        }
        if decoded.text.trim().is_empty() {
            return Err(Error::FileEmpty { name });
        }
        Ok(decoded)
    }

    /// Detects the kind of file from the first bytes and begins decoding.
    fn start(&mut self) -> Result<()> {
        let Stage::Head(head) = &mut self.stage else { return Ok(()) };
        let head = std::mem::take(head);
        let marked = Encoding::of_mark(&head);
        let named = self.options.encoding.or(marked).or_else(|| utf16::of_zeros(&head));
        let wide = named.is_some_and(Encoding::is_wide);
        let kind = binary::kind(&head);
        if kind.is_some() || (!wide && is_binary(&head)) {
            return Err(Error::FileBinary { name: self.name.clone(), kind: kind.map(str::to_owned) });
        }
        // A text has at least a quarter of its file's size, for CRLF in UTF-16; with single bytes hardly more than line
        // endings is removed. A file whose least size exceeds the limit is refused without being read.
        let expected = self.options.expected_bytes;
        let least = if wide { expected / 4 } else { expected - expected / 8 };
        if least > self.options.limit {
            return Err(self.too_large());
        }
        let mark = marked.filter(|&encoding| named == Some(encoding)).map_or(0, |encoding| encoding.mark().len());
        let decoder = Decoder::new(named, self.room()).map_err(|Full { .. }| self.too_large())?;
        self.stage = Stage::Decoding(decoder);
        self.decode(&head[mark..])
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<()> {
        for piece in bytes.chunks(PIECE) {
            let Stage::Decoding(decoder) = &mut self.stage else { return Ok(()) };
            let decoded = decoder.push(piece);
            if decoded.is_err() || decoder.len() as u64 > self.options.limit {
                return Err(self.too_large());
            }
        }
        Ok(())
    }

    /// Memory to reserve at once: the file's size, and the decoder's spare room for a piece.
    fn room(&self) -> usize {
        match self.options.expected_bytes.min(self.options.limit) {
            0 => 0,
            bytes => bytes as usize + 3 * PIECE,
        }
    }

    fn too_large(&self) -> Error {
        let decoded = match &self.stage {
            Stage::Head(head) => head.len(),
            Stage::Decoding(decoder) => decoder.len(),
        };
        let bytes = self.options.expected_bytes.max(decoded as u64);
        Error::FileTooLarge { name: self.name.clone(), bytes, limit: self.options.limit }
    }
}
