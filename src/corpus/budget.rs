//! Memory budget of all texts together, so that a text too many is refused while the others stay: WebAssembly aborts
//! when memory runs out. All sizes have 64 bits, because the sums may overflow 32.

use super::source::Source;

/// The memory that texts, tokens and the model share, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// For texts, their tokens and, on the CPU, the model.
    pub memory: u64,
    /// The part of it for texts and tokens, without the temporary memory for reading a text or saving its tokens.
    pub texts: u64,
}

/// WebAssembly's 4 GiB, less what the page's own code needs.
impl Default for Budget {
    fn default() -> Self {
        Self { memory: (4 << 30) - (512 << 20), texts: 3 << 30 }
    }
}

/// Upper estimate of the bytes per document: its range, its tally, its place in the order of the split, its slice in
/// its part, and its end-of-text token.
const DOCUMENT: u64 = 64;

/// The memory of a text with this many bytes and at most this many tokens of `id` bytes each.
fn cost(bytes: u64, tokens: u64, documents: u64, id: u64) -> u64 {
    let tokens = tokens.saturating_add(documents).saturating_mul(id);
    bytes.saturating_add(tokens).saturating_add(documents.saturating_mul(DOCUMENT))
}

/// The memory of a loaded text with token ids of `id` bytes (`tokenizer::TokenIds::width`): at most one token per
/// character, or one per byte.
pub fn cost_of(source: &Source, characters: usize, id: u64) -> u64 {
    let bytes = source.text.len() as u64;
    // With a vocabulary of bytes, a character of several bytes is several tokens.
    cost(bytes, bytes.max(characters as u64), source.documents.len() as u64, id)
}

impl Budget {
    /// The size in bytes of the largest text that still fits, beside the memory of texts and model and with `id` bytes
    /// per token id.
    pub fn room(&self, texts: u64, model: u64, id: u64) -> u64 {
        let free = self.texts.min(self.memory.saturating_sub(model)).saturating_sub(texts);
        free / (1 + id)
    }
}

/// The largest number of documents in a text of this size.
pub fn most_documents(bytes: u64, room: u64, id: u64) -> u64 {
    room.saturating_sub(bytes).saturating_mul(1 + id) / (DOCUMENT + id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn two_of_the_largest_texts_fit_and_a_third_does_not() {
        let one = cost(500 * MB, 500 * MB, 1, 2);
        let budget = Budget::default();
        assert!(budget.room(one, 0, 2) >= 500 * MB);
        assert!(budget.room(2 * one, 0, 2) < 500 * MB);
        assert_eq!(budget.room(budget.memory, 0, 2), 0);
        assert_eq!(budget.room(u64::MAX, u64::MAX, 2), 0);
        // With ids of 4 bytes only one of them fits.
        assert!((500 * MB..1000 * MB).contains(&budget.room(0, 0, 4)));
    }

    #[test]
    fn a_text_of_the_remaining_room_fits() {
        let budget = Budget::default();
        for (texts, model) in [(0, 0), (1_000, 3 << 30), (2 << 30, 100 * MB), (budget.texts - 10, 0)] {
            for id in [2, 4] {
                let room = budget.room(texts, model, id);
                assert!(texts + cost(room, room, 0, id) <= budget.texts);
                assert!(texts + model + cost(room, room, 0, id) <= budget.memory);
                let documents = most_documents(room / 2, room, id);
                assert!(texts + cost(room / 2, room / 2, documents, id) <= budget.texts);
            }
        }
    }

    #[test]
    fn the_cost_includes_documents_and_does_not_overflow() {
        assert_eq!(cost(20 * MB, 20 * MB, 20 * MB, 2), 20 * MB + 2 * 40 * MB + 64 * 20 * MB);
        assert_eq!(cost(u64::MAX, u64::MAX, u64::MAX, 2), u64::MAX);
        assert_eq!(cost(1 << 32, 1 << 32, 0, 2), 3 << 32);
        assert_eq!(most_documents(10, 5, 2), 0);
    }
}
