//! Splits a text into its tokens for display.

use serde::Serialize;

use super::Tokenizer;
use super::bpe::Encoder;
use super::scheme::Scheme;
use super::special::Segment;

/// A stretch of text for display in one colour. Mostly it is one token; it has several if tokens end inside a
/// character, and none if the tokenizer leaves a character out. The texts of all pieces joined are the text as the
/// tokenizer normalises it, with spaces in place of the marks that stand for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Piece {
    /// The ids of its tokens in order.
    pub ids: Vec<u32>,
    /// The characters of the piece.
    pub text: String,
    /// The position of its first character, counted in characters of the normalised text.
    pub start: usize,
    /// The position after its last character, counted in the same way.
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

    /// Removes the space that was added to the beginning of a piece, because the text does not have it.
    fn forget_space(&mut self, first: usize) {
        self.characters -= 1;
        self.all[first].text.remove(0);
        self.all[first].end -= 1;
        for piece in &mut self.all[first + 1..] {
            piece.start -= 1;
            piece.end -= 1;
        }
        // A piece with nothing else is joined with the next one.
        if self.all[first].text.is_empty() && first + 1 < self.all.len() {
            let Piece { ids, .. } = self.all.remove(first);
            self.all[first].ids.splice(0..0, ids);
        }
    }
}

impl Tokenizer {
    /// Cuts a text into pieces along its tokens, for a preview.
    pub fn pieces(&self, text: &str) -> Vec<Piece> {
        let mut pieces = Pieces::default();
        let mut is_first = true;
        self.specials.each(text, |segment| match segment {
            Segment::Special(id, text) => {
                is_first = false;
                pieces.push(vec![id], text);
            }
            Segment::Text(text) => self.splitting.each(text, std::mem::take(&mut is_first), |stretch, prefixed| {
                let first = pieces.all.len();
                self.cut(stretch, &mut pieces);
                if prefixed {
                    pieces.forget_space(first);
                }
            }),
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
                for word in merges.pattern.words(text) {
                    let (mut ids, mut bytes) = (Vec::new(), Vec::new());
                    for &id in encoder.word(word) {
                        ids.push(id);
                        bytes.extend_from_slice(self.bytes(id));
                        if let Ok(text) = std::str::from_utf8(&bytes) {
                            pieces.push(std::mem::take(&mut ids), text);
                            bytes.clear();
                        }
                    }
                    if !ids.is_empty() {
                        pieces.push(ids, &String::from_utf8_lossy(&bytes));
                    }
                }
            }
        }
    }
}
