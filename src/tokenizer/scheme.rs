//! Encoding schemes of ordinary text: by character, by byte, or by merging the bytes of words.

use super::bpe::{self, Merges};

#[derive(Debug, Clone)]
pub enum Scheme {
    Characters(Characters),
    Bytes([u32; 256]),
    Words(Merges),
}

/// The id of every known character.
#[derive(Debug, Clone)]
pub struct Characters {
    /// Indexed by code point; the characters of a text are close together, so most of the array is never accessed.
    ids: Vec<u32>,
}

/// Stands for the id of what has no token.
pub const UNKNOWN: u32 = u32::MAX;

impl Characters {
    pub fn new(characters: impl Iterator<Item = (char, u32)>) -> Self {
        let mut ids = Vec::new();
        for (character, id) in characters {
            let index = character as usize;
            if index >= ids.len() {
                ids.resize(index + 1, UNKNOWN);
            }
            ids[index] = id;
        }
        Self { ids }
    }

    pub fn id(&self, character: char) -> Option<u32> {
        self.ids.get(character as usize).copied().filter(|&id| id != UNKNOWN)
    }
}

/// An encoder with its scheme's caches, for several texts.
pub enum Encoder<'s> {
    Characters(&'s Characters),
    Bytes(&'s [u32; 256]),
    Words(bpe::Encoder<'s>),
}

impl Scheme {
    pub fn encoder(&self) -> Encoder<'_> {
        match self {
            Self::Characters(characters) => Encoder::Characters(characters),
            Self::Bytes(ids) => Encoder::Bytes(ids),
            Self::Words(merges) => Encoder::Words(bpe::Encoder::new(merges)),
        }
    }
}

impl Encoder<'_> {
    /// Calls `emit` for the ids of a text without added tokens. Unknown characters are dropped.
    pub fn encode(&mut self, text: &str, emit: &mut impl FnMut(u32)) {
        match self {
            Self::Characters(characters) => {
                text.chars().filter_map(|character| characters.id(character)).for_each(emit);
            }
            Self::Bytes(ids) => text.bytes().map(|byte| ids[usize::from(byte)]).for_each(emit),
            Self::Words(words) => words.encode(text, emit),
        }
    }
}
