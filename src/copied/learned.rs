//! The training text, as it is read from the token ids of a run.

use std::{ops::Range, rc::Rc};

use crate::{
    tokenizer::{TokenIds, Tokenizer},
    train::Dataset,
};

/// A place in the training text, after one of its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The token that has the byte.
    pub token: u32,
    /// Bytes of that token up to the place.
    pub bytes: u32,
    /// The document, counted from 0.
    pub document: u32,
}

/// The end of a source of the training text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEnd {
    /// The name of the file.
    pub name: String,
    /// Documents of the training text up to here.
    pub documents: usize,
}

/// The training text of a run: its documents, without the tokens between them and between turns.
#[derive(Clone)]
pub struct LearnedText {
    data: Rc<Dataset>,
    tokenizer: Rc<Tokenizer>,
    sources: Vec<SourceEnd>,
    /// Of each id whether it is a token between documents or turns.
    is_border: Vec<bool>,
}

/// What is read of the training text: a byte, or that what follows is another document or turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    Byte(u8),
    Border,
}

/// How far the training text has been read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    token: usize,
    document: u32,
}

impl LearnedText {
    /// `sources`: those of the documents in `data.train`, in order; empty if they are not known.
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

    /// Reads about `tokens` tokens further. Returns whether there are more.
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

    /// Returns up to `most` bytes of the same document or turn that end at a place, and whether there are more.
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

    /// Returns up to `most` bytes of the same document or turn that follow a place, and whether there are more.
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

    /// The name of the file that a place is in, if it is known.
    pub fn source(&self, place: Place) -> Option<&str> {
        // Without a token between documents they cannot be counted.
        if let [only] = &self.sources[..] {
            return Some(&only.name);
        }
        self.tokenizer.end_of_text()?;
        self.sources.iter().find(|source| (place.document as usize) < source.documents).map(|source| &source.name[..])
    }

    /// How far into the training text a place is, from 0 to 1.
    pub fn share_before(&self, place: Place) -> f64 {
        f64::from(place.token) / self.ids().len().max(1) as f64
    }
}
