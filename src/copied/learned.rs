//! Reads the training text of a run from its token ids.

use std::{ops::Range, rc::Rc};

use crate::{
    tokenizer::{TokenIds, Tokenizer},
    train::Dataset,
};

/// A position in the training text, after one of its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The index of the token that contains the byte.
    pub token: u32,
    /// Bytes of that token up to the position.
    pub bytes: u32,
    /// The document's index, from 0.
    pub document: u32,
}

/// Where a source ends in the training text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEnd {
    /// The name of the file.
    pub name: String,
    /// The number of documents of the training text up to and including this source.
    pub documents: usize,
}

/// The training text of a run: its documents, without the special tokens between documents and turns.
#[derive(Clone)]
pub struct LearnedText {
    data: Rc<Dataset>,
    tokenizer: Rc<Tokenizer>,
    sources: Vec<SourceEnd>,
    /// For each id, whether its token separates documents or turns.
    is_border: Vec<bool>,
}

/// One item read from the training text: a byte, or a border between documents or turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Byte(u8),
    Border,
}

/// The position up to which the training text has been read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    token: usize,
    document: u32,
}

impl LearnedText {
    /// `sources`: the sources of the documents in `data.train`, in order; empty if they are unknown.
    pub fn new(data: Rc<Dataset>, tokenizer: Rc<Tokenizer>, sources: Vec<SourceEnd>) -> Self {
        let mut is_border = vec![false; tokenizer.vocabulary()];
        for id in tokenizer.borders() {
            is_border[id as usize] = true;
        }
        Self { data, tokenizer, sources, is_border }
    }

    fn ids(&self) -> &TokenIds {
        &self.data.train
    }

    /// Reads about `tokens` more tokens. Returns whether there are more.
    pub fn read(&self, cursor: &mut Cursor, tokens: usize, mut visit: impl FnMut(Read, Place)) -> bool {
        let range: Range<usize> = cursor.token..self.ids().len().min(cursor.token + tokens);
        let end = self.tokenizer.end_of_text();
        cursor.token = range.end;
        for (token, id) in (range.start as u32..).zip(self.ids().range(range)) {
            if self.is_border.get(id as usize).copied().unwrap_or(true) {
                visit(Read::Border, Place { token, bytes: 0, document: cursor.document });
                cursor.document += u32::from(Some(id) == end);
                continue;
            }
            for (&byte, bytes) in self.tokenizer.bytes(id).iter().zip(1..) {
                visit(Read::Byte(byte), Place { token, bytes, document: cursor.document });
            }
        }
        cursor.token < self.ids().len()
    }

    /// Returns up to `most` bytes that end at a position, in the same document or turn, and whether there are more.
    pub fn before(&self, place: Place, most: usize) -> (Vec<u8>, bool) {
        let mut pieces = vec![&self.bytes_of(place.token)[..place.bytes as usize]];
        let mut length = pieces[0].len();
        let mut token = place.token;
        while length <= most && token > 0 && !self.is_border_at(token - 1) {
            token -= 1;
            pieces.push(self.bytes_of(token));
            length += pieces[pieces.len() - 1].len();
        }
        let bytes = pieces.into_iter().rev().collect::<Vec<_>>().concat();
        (bytes[length.saturating_sub(most)..].to_vec(), length > most)
    }

    /// Returns up to `most` bytes that follow a position, in the same document or turn, and whether there are more.
    pub fn after(&self, place: Place, most: usize) -> (Vec<u8>, bool) {
        let mut bytes = self.bytes_of(place.token)[place.bytes as usize..].to_vec();
        let mut token = place.token as usize + 1;
        while bytes.len() <= most && token < self.ids().len() && !self.is_border_at(token as u32) {
            bytes.extend_from_slice(self.bytes_of(token as u32));
            token += 1;
        }
        let is_more = bytes.len() > most;
        bytes.truncate(most);
        (bytes, is_more)
    }

    fn bytes_of(&self, token: u32) -> &[u8] {
        self.tokenizer.bytes(self.ids().at(token as usize))
    }

    fn is_border_at(&self, token: u32) -> bool {
        self.is_border.get(self.ids().at(token as usize) as usize).copied().unwrap_or(true)
    }

    /// Returns the name of the file that contains a position, if it is known.
    pub fn source(&self, place: Place) -> Option<&str> {
        // Without a token between documents, documents cannot be counted.
        if let [only] = &self.sources[..] {
            return Some(&only.name);
        }
        self.tokenizer.end_of_text()?;
        self.sources.iter().find(|source| (place.document as usize) < source.documents).map(|source| &source.name[..])
    }

    /// Returns the position as a share of the training text, from 0 to 1.
    pub fn share_before(&self, place: Place) -> f64 {
        f64::from(place.token) / self.ids().len().max(1) as f64
    }
}
