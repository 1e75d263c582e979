//! Applies byte-pair merges: encodes the bytes or the characters of a word as ids, as `tokenizers` does.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ahash::AHashMap;

use super::scheme::{Characters, UNKNOWN};
use super::split::Pattern;

/// Largest length of a word in bytes; longer words are cut. Merging takes 24 bytes of memory for each byte of a word,
/// and a whole text can be one word.
const LONGEST_WORD: usize = 4 << 20;

/// Number of words whose ids are cached while a text is encoded, and the longest of them.
const REMEMBERED_WORDS: usize = 1 << 16;
const LONGEST_REMEMBERED: usize = 64;

/// Marks a symbol that was merged into the one before it.
const MERGED: u32 = u32::MAX;
/// Marks a missing neighbour.
const NONE: u32 = u32::MAX;

/// The merges of a vocabulary.
#[derive(Debug, Clone)]
pub struct Merges {
    symbols: Symbols,
    /// How a text is cut into the words that are merged.
    pub pattern: Pattern,
    /// Words that are always one token, regardless of merges.
    whole: AHashMap<Box<[u8]>, u32>,
    /// For each pair of ids the merged id and its rank; the lowest rank is merged first.
    pairs: AHashMap<(u32, u32), Merge>,
}

/// What a word consists of before it is merged.
#[derive(Debug, Clone)]
pub enum Symbols {
    /// The id of each byte; a byte without one is left out.
    Bytes([u32; 256]),
    /// The ids of characters and, for other characters, of each of their bytes.
    Characters { known: Characters, bytes: [u32; 256] },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Merge {
    rank: u32,
    id: u32,
}

impl Merges {
    /// Makes merges from a list in the order of ranks: left, right and merged id.
    pub fn new(symbols: Symbols, pattern: Pattern, merges: impl Iterator<Item = (u32, u32, u32)>) -> Self {
        let pairs = merges.zip(0..).map(|((left, right, id), rank)| ((left, right), Merge { rank, id }));
        Self { symbols, pattern, whole: AHashMap::new(), pairs: pairs.collect() }
    }

    /// Whether tokens are characters, and bytes only where a character has no token.
    pub fn of_characters(&self) -> bool {
        matches!(self.symbols, Symbols::Characters { .. })
    }

    /// Whether an id stands for a byte of a character without a token.
    pub fn is_byte(&self, id: u32) -> bool {
        matches!(&self.symbols, Symbols::Characters { bytes, .. } if bytes.contains(&id))
    }

    /// Whether every part of a character has a token.
    pub fn knows(&self, character: char) -> bool {
        let bytes = match &self.symbols {
            Symbols::Characters { known, .. } if known.id(character).is_some() => return true,
            Symbols::Bytes(bytes) | Symbols::Characters { bytes, .. } => bytes,
        };
        let mut buffer = [0; 4];
        character.encode_utf8(&mut buffer).bytes().all(|byte| bytes[usize::from(byte)] != UNKNOWN)
    }

    /// The same, but a word that equals one of these tokens is that token, as with `ignore_merges` of `tokenizers`.
    pub fn with_whole_words(self, whole: impl Iterator<Item = (Box<[u8]>, u32)>) -> Self {
        Self { whole: whole.collect(), ..self }
    }

    /// The pairs in the order of ranks.
    pub fn in_order(&self) -> Vec<(u32, u32)> {
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_unstable_by_key(|(_, merge)| merge.rank);
        pairs.into_iter().map(|(&pair, _)| pair).collect()
    }

    fn get(&self, left: u32, right: u32) -> Option<Merge> {
        self.pairs.get(&(left, right)).copied()
    }
}

/// Encodes words with a cache: most of a text consists of a few thousand words.
pub struct Encoder<'m> {
    merges: &'m Merges,
    /// The range of `remembered` that holds the ids of a word.
    seen: AHashMap<Box<str>, (u32, u32)>,
    remembered: Vec<u32>,
    /// The ids of a word too long for the cache.
    long: Vec<u32>,
    symbols: Vec<Symbol>,
    queue: BinaryHeap<Reverse<Candidate>>,
}

/// One id of a word during merging, linked to its neighbours.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    previous: u32,
    next: u32,
}

/// A candidate pair: the lowest rank comes first, then the leftmost.
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
        for word in self.merges.pattern.words(text) {
            self.word(word).iter().copied().for_each(&mut *emit);
        }
    }

    /// The ids of one word.
    pub fn word(&mut self, word: &str) -> &[u32] {
        if word.len() > LONGEST_REMEMBERED {
            self.long.clear();
            let mut rest = word;
            while !rest.is_empty() {
                let (part, after) = rest.split_at(rest.floor_char_boundary(LONGEST_WORD));
                self.merge(part);
                self.long.extend(self.symbols.iter().map(|symbol| symbol.id));
                rest = after;
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
        self.merge(word);
        let start = self.remembered.len();
        self.remembered.extend(self.symbols.iter().map(|symbol| symbol.id));
        self.seen.insert(word.into(), (start as u32, self.remembered.len() as u32));
        &self.remembered[start..]
    }

    /// Merges a word; the result is in `symbols`.
    fn merge(&mut self, word: &str) {
        let Self { merges, symbols, queue, .. } = self;
        symbols.clear();
        if let Some(&id) = merges.whole.get(word.as_bytes()) {
            symbols.push(Symbol { id, previous: NONE, next: NONE });
            return;
        }
        let mut push = |id: u32| {
            if id != UNKNOWN {
                let at = symbols.len() as u32;
                symbols.push(Symbol { id, previous: at.wrapping_sub(1), next: at + 1 });
            }
        };
        match &merges.symbols {
            Symbols::Bytes(bytes) => word.bytes().for_each(|byte| push(bytes[usize::from(byte)])),
            Symbols::Characters { known, bytes } => {
                for (at, character) in word.char_indices() {
                    match known.id(character) {
                        Some(id) => push(id),
                        None => {
                            word[at..][..character.len_utf8()].bytes().for_each(|byte| push(bytes[usize::from(byte)]))
                        }
                    }
                }
            }
        }
        if let Some(last) = symbols.last_mut() {
            last.next = NONE;
        }
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
            // A neighbour may have been merged since: then another candidate represents the new pair.
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
