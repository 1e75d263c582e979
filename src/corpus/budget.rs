//! Memory budget of all texts together, so that a text too many is refused while the others stay: WebAssembly aborts
//! when memory runs out. All sizes have 64 bits, because the sums may overflow 32.

use super::source::Source;

/// What there is to share, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// For texts, their tokens and, on the CPU, the model.
    pub memory: u64,
    /// The most of it that texts and tokens may take: what is needed while a text is read, or while its tokens are saved,
    /// comes beside.
    pub texts: u64,
}

/// WebAssembly's 4 GiB, less what the page's own program needs.
impl Default for Budget {
    fn default() -> Self {
        Self { memory: (4 << 30) - (512 << 20), texts: 3 << 30 }
    }
}

/// Of a document: its place, what was counted of it, its place in the order of the split, where it lies in its part, and
/// the end of text among its tokens. Rather too much.
const DOCUMENT: u64 = 64;

/// The bytes that a text of so many bytes takes, of which so many tokens can become at the most, each with `id` bytes.
fn cost(bytes: u64, tokens: u64, documents: u64, id: u64) -> u64 {
    let tokens = tokens.saturating_add(documents).saturating_mul(id);
    bytes.saturating_add(tokens).saturating_add(documents.saturating_mul(DOCUMENT))
}

/// What a text takes that has been read, with token ids of `id` bytes (`tokenizer::TokenIds::width`): a character is one token at
/// the most, or a token for each of its bytes.
pub fn cost_of(source: &Source, characters: usize, id: u64) -> u64 {
    let bytes = source.text.len() as u64;
    // In a vocabulary of bytes a character of several is several tokens.
    cost(bytes, bytes.max(characters as u64), source.documents.len() as u64, id)
}

impl Budget {
    /// Bytes of one more text that there is room for, if texts and model take so many already and a token's id takes `id` bytes; a
    /// text of that many fits.
    pub fn room(&self, texts: u64, model: u64, id: u64) -> u64 {
        let free = self.texts.min(self.memory.saturating_sub(model)).saturating_sub(texts);
        free / (1 + id)
    }
}

/// Documents of a text of so many bytes that there is room for.
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
        // With ids of 4 bytes one of them fits.
        assert!((500 * MB..1000 * MB).contains(&budget.room(0, 0, 4)));
    }

    #[test]
    fn what_there_is_room_for_fits() {
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
    fn documents_count_and_nothing_wraps_around() {
        assert_eq!(cost(20 * MB, 20 * MB, 20 * MB, 2), 20 * MB + 2 * 40 * MB + 64 * 20 * MB);
        assert_eq!(cost(u64::MAX, u64::MAX, u64::MAX, 2), u64::MAX);
        assert_eq!(cost(1 << 32, 1 << 32, 0, 2), 3 << 32);
        assert_eq!(most_documents(10, 5, 2), 0);
    }
}
