//! Selects the runs that count as copied from the longest matches at each byte.

use super::{
    FEWEST_CHARACTERS, FEWEST_WORDS,
    automaton::Match,
    learned::Place,
    words::{trimmed, whole_words},
};

/// A run of the generated text that counts as copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopiedRun {
    /// Byte range in the generated text.
    pub start: usize,
    pub end: usize,
    /// The end of the match in the training text, and how many bytes it lies behind the end of the run.
    pub place: Place,
    pub beyond: usize,
}

/// Returns the copied runs of a text in order, without overlaps. `matches` has the longest match that ends at each
/// byte.
pub fn copied_runs(text: &str, matches: &[Match<Place>]) -> Vec<CopiedRun> {
    let mut runs: Vec<CopiedRun> = Vec::new();
    let start_of = |index: usize| index + 1 - matches[index].length;
    for (index, &Match { length, place }) in matches.iter().enumerate() {
        // A longer match with the same beginning follows.
        if length == 0 || (index + 1 < matches.len() && start_of(index + 1) == start_of(index)) {
            continue;
        }
        let match_end = index + 1;
        let (start, end) = (next_boundary(text, start_of(index)), previous_boundary(text, match_end));
        if start >= end {
            continue;
        }
        let (start, end) = trimmed(text, start, end);
        let is_enough = whole_words(text, start, end) >= FEWEST_WORDS
            || text[start..end].chars().nth(FEWEST_CHARACTERS - 1).is_some();
        // Bytes of the previous run are not marked twice.
        let start = runs.last().map_or(start, |last| start.max(last.end));
        let start = start + text.get(start..end).map_or(0, |rest| rest.len() - rest.trim_start().len());
        if is_enough && start < end {
            runs.push(CopiedRun { start, end, place, beyond: match_end - end });
        }
    }
    runs
}

fn next_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

fn previous_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the share of a text's characters that lie in runs; spaces are not counted.
pub fn share(text: &str, runs: &[CopiedRun]) -> f64 {
    let characters = |part: &str| part.chars().filter(|character| !character.is_whitespace()).count();
    let copied: usize = runs.iter().map(|run| characters(&text[run.start..run.end])).sum();
    copied as f64 / characters(text).max(1) as f64
}
