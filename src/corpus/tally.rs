//! Statistics of a source, counted once when it is added.

use std::collections::BTreeSet;

use super::source::Source;
use crate::tokenizer::NormalForm;

/// Statistics of one source.
#[derive(Debug)]
pub struct Tally {
    pub documents: Vec<DocumentTally>,
    alphabet: Alphabet,
}

/// Statistics of one document.
#[derive(Debug, Clone, Copy)]
pub struct DocumentTally {
    pub characters: usize,
    /// A hash of the text, independent of its position and its normal form.
    pub hash: u64,
}

impl Tally {
    pub fn of(source: &Source) -> Self {
        let documents = source
            .documents()
            .map(|text| DocumentTally {
                characters: text.chars().count(),
                hash: hash(NormalForm::Nfc.of(text).as_bytes()),
            })
            .collect();
        Self { documents, alphabet: Alphabet::of(source.documents()) }
    }

    pub fn characters(&self) -> usize {
        self.documents.iter().map(|document| document.characters).sum()
    }

    /// Adds this source's characters to a set.
    pub fn collect_alphabet(&self, into: &mut BTreeSet<char>) {
        into.extend(self.alphabet.characters());
    }
}

/// A set of characters in the tokenizer's normal form: one bit for each, because a tree lookup for each character would
/// take seconds.
#[derive(Debug)]
struct Alphabet {
    bits: Vec<u64>,
}

impl Alphabet {
    fn of<'a>(documents: impl Iterator<Item = &'a str>) -> Self {
        let mut bits = vec![0; (char::MAX as usize + 1).div_ceil(64)];
        for document in documents {
            NormalForm::Nfc.each(document, |text| {
                for character in text.chars() {
                    bits[character as usize / 64] |= 1 << (character as usize % 64);
                }
            });
        }
        bits.truncate(bits.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1));
        bits.shrink_to_fit();
        Self { bits }
    }

    fn characters(&self) -> impl Iterator<Item = char> {
        let points = self.bits.iter().enumerate().flat_map(|(word, &bits)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (64 * word + bit) as u32)
        });
        points.filter_map(char::from_u32)
    }
}

/// A well-distributed hash with one multiplication per eight bytes (FNV's scheme on words, finished by SplitMix64's).
/// Not resistant to attacks.
fn hash(bytes: &[u8]) -> u64 {
    let step = |state: u64, word: u64| (state.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(bytes.len() as u64, |state, &word| step(state, u64::from_le_bytes(word)));
    let state = rest.iter().fold(state, |state, &byte| step(state, u64::from(byte)));
    mixed(state)
}

/// Hashes documents in order.
pub fn hash_of(documents: &[DocumentTally]) -> u64 {
    documents.iter().fold(documents.len() as u64, |state, document| mixed(state.rotate_left(23) ^ document.hash))
}

/// The final mix of SplitMix64: every bit of the result depends on every bit of the input.
pub fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alphabet_contains_each_character_once() {
        let text = "año 漢 🦜 \u{10FFFF}\0aa";
        let expected: Vec<char> = text.chars().collect::<BTreeSet<_>>().into_iter().collect();
        assert_eq!(Alphabet::of([text, text].into_iter()).characters().collect::<Vec<_>>(), expected);
        assert_eq!(Alphabet::of(std::iter::empty()).characters().count(), 0);
    }

    #[test]
    fn letters_in_two_normal_forms_are_one() {
        assert_eq!(Alphabet::of(["e\u{301}", "é"].into_iter()).characters().collect::<Vec<_>>(), ['é']);
    }

    #[test]
    fn the_hash_depends_on_the_order_of_documents() {
        let documents =
            |hashes: &[u64]| hashes.iter().map(|&hash| DocumentTally { characters: 1, hash }).collect::<Vec<_>>();
        let texts = [&[1, 2][..], &[2, 1], &[1], &[1, 1], &[]].map(|hashes| hash_of(&documents(hashes)));
        assert_eq!(BTreeSet::from(texts).len(), texts.len());
        assert_eq!(hash_of(&documents(&[1, 2])), texts[0]);
    }

    #[test]
    fn hashes_differ_where_texts_do() {
        let texts = ["", "a", "b", "ab", "ba", "12345678", "87654321", "123456781", "112345678"];
        let hashes: BTreeSet<u64> = texts.iter().map(|text| hash(text.as_bytes())).collect();
        assert_eq!(hashes.len(), texts.len());
    }
}
