//! A text cut into its tokens, for showing.

use serde::Serialize;

use super::Tokenizer;
use super::bpe::Encoder;
use super::scheme::Scheme;
use super::special::Segment;
use super::split::words;

/// A stretch of text that is shown in one colour. Mostly one token; several where tokens end inside a character; none
/// where the tokenizer leaves a character out. The texts of all pieces joined are the text, in the tokenizer's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Piece {
    pub ids: Vec<u32>,
    pub text: String,
    /// Where the piece starts and ends, in characters.
    pub start: usize,
    pub end: usize,
}

/// Collects pieces and counts characters.
#[derive(Default)]
struct Pieces {
    all: Vec<Piece>,
    characters: usize,
}

impl Pieces {
    fn push(&mut self, ids: Vec<u32>, text: &str) {
        let start = self.characters;
        self.characters += text.chars().count();
        self.all.push(Piece { ids, text: text.to_owned(), start, end: self.characters });
    }
}

impl Tokenizer {
    /// The text as it is cut, for a preview.
    pub fn pieces(&self, text: &str) -> Vec<Piece> {
        let mut pieces = Pieces::default();
        self.each_segment(text, |segment| match segment {
            Segment::Special(id, text) => pieces.push(vec![id], text),
            Segment::Text(text) => self.cut(text, &mut pieces),
        });
        pieces.all
    }

    fn cut(&self, text: &str, pieces: &mut Pieces) {
        let characters = || text.char_indices().map(|(at, character)| (character, &text[at..][..character.len_utf8()]));
        match &self.scheme {
            Scheme::Characters(known) => {
                for (character, text) in characters() {
                    pieces.push(known.id(character).into_iter().collect(), text);
                }
            }
            Scheme::Bytes(ids) => {
                for (_, text) in characters() {
                    pieces.push(text.bytes().map(|byte| ids[usize::from(byte)]).collect(), text);
                }
            }
            Scheme::Words(merges) => {
                let mut encoder = Encoder::new(merges);
                for word in words(text) {
                    let (mut start, mut end) = (0, 0);
                    let mut ids = Vec::new();
                    for &id in encoder.word(word) {
                        ids.push(id);
                        end += self.tokens.get(id).map_or(0, <[u8]>::len);
                        if word.is_char_boundary(end) {
                            pieces.push(std::mem::take(&mut ids), &word[start..end]);
                            start = end;
                        }
                    }
                }
            }
        }
    }
}
