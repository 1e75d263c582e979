//! Finds the passages of the training text most similar to a text: those that share the most rare n-grams with it.
//!
//! Texts are compared by their n-grams of [`GRAM`] bytes, about a word in Latin letters and two characters in Chinese.
//! The training text is read twice: once to count each n-gram of the text, and once with a window of the text's length,
//! whose score is the sum of the inverse document frequencies (Spärck Jones 1972) of its n-grams.

use std::collections::{HashMap, VecDeque};

use super::{
    SLICE,
    learned::{Cursor, LearnedText, Place, Read},
    passage::Passage,
};

const GRAM: usize = 6;
/// Keeps the last [`GRAM`] bytes of a number.
const MASK: u64 = (1 << (8 * GRAM)) - 1;
/// Shortest window in bytes.
const SHORTEST: usize = 80;
const LONGEST: usize = 320;
/// Bytes of a text that are searched for.
const MOST_BYTES: usize = 16_000;
/// Most passages that are returned.
const MOST_PASSAGES: usize = 3;
/// Fewest different n-grams that a passage must share.
const FEWEST_SHARED: usize = 5;

/// An n-gram of [`GRAM`] bytes of the text.
#[derive(Debug, Clone, Default)]
struct Gram {
    /// Its number of occurrences in the training text.
    count: u32,
    /// Its weight in the score of a window.
    weight: f32,
    /// Its number of occurrences in the current window.
    in_window: u32,
}

/// A window that scored higher than the windows near it.
#[derive(Debug, Clone, Copy)]
struct Found {
    score: f32,
    /// Bytes of the training text up to its end.
    end: u64,
    /// Bytes of the document or turn up to its end, at most [`LONGEST`].
    length: usize,
    place: Place,
}

/// The search for the passages most similar to a text.
pub struct NearestSearch {
    learned: LearnedText,
    grams: Vec<Gram>,
    /// The index of each run in `grams`.
    index: HashMap<u64, u32>,
    /// Whether `index` has an n-gram with this hash; few hashes do.
    filter: Vec<bool>,
    window: Window,
    cursor: Cursor,
    is_counted: bool,
    best: Vec<Found>,
}

/// The window over the training text.
#[derive(Default)]
struct Window {
    length: usize,
    /// The bytes read last, the newest in the lowest bits.
    bytes: u64,
    /// Bytes read since the border, and in all.
    since_border: usize,
    read: u64,
    /// The n-grams in the window, each with the count of bytes read at its end.
    runs: VecDeque<(u64, u32)>,
    /// The number of different n-grams, and the sum of their weights.
    shared: usize,
    score: f32,
}

fn hash(run: u64) -> usize {
    (run.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

/// Returns the n-grams of a text.
fn runs(text: &[u8]) -> impl Iterator<Item = u64> {
    text.windows(GRAM).map(|run| run.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

impl NearestSearch {
    /// Prepares the search for passages similar to `text`, of which the first 16,000 bytes are used.
    pub fn new(text: &str, learned: LearnedText) -> Self {
        let bytes = &text.as_bytes()[..text.len().min(MOST_BYTES)];
        let mut index = HashMap::new();
        let mut filter = vec![false; 1 << 16];
        for run in runs(bytes) {
            let next = index.len() as u32;
            index.entry(run).or_insert(next);
            filter[hash(run)] = true;
        }
        let window = Window { length: bytes.len().clamp(SHORTEST, LONGEST), ..Window::default() };
        let grams = vec![Gram::default(); index.len()];
        let (cursor, best) = (Cursor::default(), Vec::new());
        Self { learned, grams, index, filter, window, cursor, is_counted: false, best }
    }

    /// Reads the next piece of the training text. Returns whether there is more to read.
    pub fn read(&mut self) -> bool {
        if self.index.is_empty() {
            return false;
        }
        let Self { learned, grams, index, filter, window, cursor, is_counted, best } = self;
        let more = learned.read(cursor, SLICE, |read, place| {
            let Read::Byte(byte) = read else { return window.interrupt(grams) };
            window.push(byte);
            let run = window.bytes & MASK;
            if window.since_border < GRAM || !filter[hash(run)] {
                return;
            }
            let Some(&gram) = index.get(&run) else { return };
            if *is_counted {
                window.enter(gram, grams);
                window.note(place, best);
            } else {
                grams[gram as usize].count += 1;
            }
        });
        if more {
            return true;
        }
        self.window.interrupt(&mut self.grams);
        self.cursor = Cursor::default();
        let was_counted = self.is_counted;
        self.weigh();
        !was_counted
    }

    fn weigh(&mut self) {
        let bytes = self.window.read as f32;
        for gram in self.grams.iter_mut().filter(|gram| gram.count > 0) {
            gram.weight = (bytes / gram.count as f32).ln();
        }
        self.is_counted = true;
    }

    /// Returns the passages, the most similar first, without those that share hardly anything.
    pub fn result(&self) -> Vec<Passage> {
        let passage = |found: &Found| Passage::new(&self.learned, found.place, 0, found.length).in_whole_words();
        self.best.iter().map(passage).collect()
    }
}

impl Window {
    fn push(&mut self, byte: u8) {
        self.bytes = self.bytes << 8 | u64::from(byte);
        self.since_border += 1;
        self.read += 1;
    }

    fn interrupt(&mut self, grams: &mut [Gram]) {
        for (_, gram) in self.runs.drain(..) {
            grams[gram as usize].in_window = 0;
        }
        (self.since_border, self.shared, self.score) = (0, 0, 0.0);
    }

    /// Adds the n-gram that has just ended, and removes those that begin before the window.
    fn enter(&mut self, entering: u32, grams: &mut [Gram]) {
        while let Some(&(end, gram)) = self.runs.front()
            && end + (self.length as u64) < self.read + GRAM as u64
        {
            self.runs.pop_front();
            let gram = &mut grams[gram as usize];
            gram.in_window -= 1;
            if gram.in_window == 0 {
                self.shared -= 1;
                self.score -= gram.weight;
            }
        }
        self.runs.push_back((self.read, entering));
        let gram = &mut grams[entering as usize];
        gram.in_window += 1;
        if gram.in_window == 1 {
            self.shared += 1;
            self.score += gram.weight;
        }
    }

    /// Keeps the window if it is among the best, and better than those it overlaps.
    fn note(&self, place: Place, best: &mut Vec<Found>) {
        let is_better = |found: &Found| self.score > found.score;
        if self.shared < FEWEST_SHARED || (best.len() == MOST_PASSAGES && !best.last().is_some_and(is_better)) {
            return;
        }
        let begins = self.read.saturating_sub(self.length as u64);
        let overlaps = |found: &Found| found.end > begins;
        if best.iter().any(|found| overlaps(found) && !is_better(found)) {
            return;
        }
        best.retain(|found| !overlaps(found));
        let length = self.length.min(self.since_border);
        best.push(Found { score: self.score, end: self.read, length, place });
        best.sort_by(|a, b| b.score.total_cmp(&a.score));
        best.truncate(MOST_PASSAGES);
    }
}
