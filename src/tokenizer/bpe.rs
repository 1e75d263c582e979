//! Applies byte-pair merges: encodes the bytes of a word as ids, as `tokenizers` does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ahash::AHashMap;

use super::split::words;

/// Longer words are cut. 24 bytes are held for each byte of a word, and a text can be one word.
const LONGEST_WORD: usize = 4 << 20;

/// Words whose ids are remembered while a text is encoded, and the longest of them.
const REMEMBERED_WORDS: usize = 1 << 16;
const LONGEST_REMEMBERED: usize = 64;

/// A symbol that was merged into the one before it.
const MERGED: u32 = u32::MAX;
/// No symbol follows, or none is before.
const NONE: u32 = u32::MAX;

/// The merges of a vocabulary of bytes.
#[derive(Debug, Clone)]
pub struct Merges {
    /// The id of every byte.
    bytes: [u32; 256],
    /// Words that are one token whatever the merges say.
    whole: AHashMap<Box<[u8]>, u32>,
    /// What two ids merge to, and how soon: the lowest rank first.
    pairs: AHashMap<(u32, u32), Merge>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Merge {
    rank: u32,
    id: u32,
}

impl Merges {
    /// `merges` in the order of their ranks: left, right and merged id.
    pub fn new(bytes: [u32; 256], merges: impl Iterator<Item = (u32, u32, u32)>) -> Self {
        let pairs = merges.zip(0..).map(|((left, right, id), rank)| ((left, right), Merge { rank, id }));
        Self { bytes, whole: AHashMap::new(), pairs: pairs.collect() }
    }

    /// The same, but a word that is one of these tokens is that token, as `ignore_merges` of `tokenizers` has it.
    pub fn with_whole_words(self, whole: impl Iterator<Item = (Box<[u8]>, u32)>) -> Self {
        Self { whole: whole.collect(), ..self }
    }

    /// The pairs in the order of their ranks.
    pub fn in_order(&self) -> Vec<(u32, u32)> {
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_unstable_by_key(|(_, merge)| merge.rank);
        pairs.into_iter().map(|(&pair, _)| pair).collect()
    }

    fn get(&self, left: u32, right: u32) -> Option<Merge> {
        self.pairs.get(&(left, right)).copied()
    }
}

/// Encodes words, remembering those it has seen: most of a text is a few thousand words.
pub struct Encoder<'m> {
    merges: &'m Merges,
    /// Where in `remembered` the ids of a word are.
    seen: AHashMap<Box<str>, (u32, u32)>,
    remembered: Vec<u32>,
    /// The ids of a word too long to be remembered.
    long: Vec<u32>,
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Reverse<Candidate>>,
}

/// One id of a word in the making, linked to its neighbours.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    previous: u32,
    next: u32,
}

/// A pair that might be merged: the lowest rank comes first, then the leftmost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    position: u32,
}

impl<'m> Encoder<'m> {
    pub fn new(merges: &'m Merges) -> Self {
        let (seen, queue) = (AHashMap::new(), BinaryHeap::new());
        Self { merges, seen, remembered: Vec::new(), long: Vec::new(), symbols: Vec::new(), queue }
    }

    /// Encodes a text without added tokens.
    pub fn encode(&mut self, text: &str, emit: &mut impl FnMut(u32)) {
        for word in words(text) {
            self.word(word).iter().copied().for_each(&mut *emit);
        }
    }

    /// The ids of one word.
    pub fn word(&mut self, word: &str) -> &[u32] {
        if word.len() > LONGEST_REMEMBERED {
            self.long.clear();
            for part in word.as_bytes().chunks(LONGEST_WORD) {
                self.merge(part);
                self.long.extend(self.symbols.iter().map(|symbol| symbol.id));
            }
            return &self.long;
        }
        if let Some(&(start, end)) = self.seen.get(word) {
            return &self.remembered[start as usize..end as usize];
        }
        if self.seen.len() >= REMEMBERED_WORDS {
            self.seen.clear();
            self.remembered.clear();
        }
        self.merge(word.as_bytes());
        let start = self.remembered.len();
        self.remembered.extend(self.symbols.iter().map(|symbol| symbol.id));
        self.seen.insert(word.into(), (start as u32, self.remembered.len() as u32));
        &self.remembered[start..]
    }

    /// Leaves the ids of a word in `symbols`.
    fn merge(&mut self, word: &[u8]) {
        let Self { merges, symbols, queue, .. } = self;
        let last = word.len() as u32 - 1;
        symbols.clear();
        if let Some(&id) = merges.whole.get(word) {
            symbols.push(Symbol { id, previous: NONE, next: NONE });
            return;
        }
        symbols.extend(word.iter().zip(0u32..).map(|(&byte, at)| Symbol {
            id: merges.bytes[usize::from(byte)],
            previous: at.wrapping_sub(1),
            next: if at == last { NONE } else { at + 1 },
        }));
        queue.clear();
        queue.extend(symbols.windows(2).zip(0..).filter_map(|(pair, position)| {
            let merge = merges.get(pair[0].id, pair[1].id)?;
            Some(Reverse(Candidate { rank: merge.rank, position }))
        }));
        while let Some(Reverse(candidate)) = queue.pop() {
            let position = candidate.position as usize;
            let symbol = symbols[position];
            if symbol.id == MERGED || symbol.next == NONE {
                continue;
            }
            let next = symbols[symbol.next as usize];
            // A neighbour may have been merged since: then another candidate stands for the new pair.
            let Some(merge) = merges.get(symbol.id, next.id).filter(|merge| merge.rank == candidate.rank) else {
                continue;
            };
            symbols[symbol.next as usize].id = MERGED;
            symbols[position].id = merge.id;
            symbols[position].next = next.next;
            if next.next != NONE {
                symbols[next.next as usize].previous = candidate.position;
                if let Some(after) = merges.get(merge.id, symbols[next.next as usize].id) {
                    queue.push(Reverse(Candidate { rank: after.rank, position: candidate.position }));
                }
            }
            if symbol.previous != NONE
                && let Some(before) = merges.get(symbols[symbol.previous as usize].id, merge.id)
            {
                queue.push(Reverse(Candidate { rank: before.rank, position: symbol.previous }));
            }
        }
        symbols.retain(|symbol| symbol.id != MERGED);
    }
}
