//! Searches for copied runs, in pieces of a few milliseconds.

use super::{
    Copied, CopiedPiece, FEWEST_CHARACTERS, FEWEST_WORDS, SLICE,
    automaton::{Automaton, LONGEST, Match},
    learned::{Cursor, LearnedText, Place, Read},
    passage::Passage,
    runs::{CopiedRun, copied_runs, share},
};

/// The search for runs of a generated text in the training text.
pub struct CopiedSearch {
    written: String,
    learned: LearnedText,
    /// Matches of the parts of the text that have been searched for already.
    matches: Vec<Match<Place>>,
    automaton: Option<Automaton<Place>>,
    cursor: Cursor,
}

impl CopiedSearch {
    /// Prepares the search for `written`. A text of over 16,000 bytes is searched for in parts of that length, and a
    /// run across a border of two parts is found as two runs.
    pub fn new(written: &str, learned: LearnedText) -> Self {
        let mut search = Self {
            written: written.to_owned(),
            learned,
            matches: Vec::new(),
            automaton: None,
            cursor: Cursor::default(),
        };
        search.begin_part();
        search
    }

    fn begin_part(&mut self) {
        let rest = &self.written.as_bytes()[self.matches.len()..];
        let part = &rest[..rest.len().min(LONGEST)];
        self.automaton = (!part.is_empty()).then(|| Automaton::new(part));
        self.cursor = Cursor::default();
    }

    /// Reads the next piece of the training text. Returns whether there is more to read.
    pub fn read(&mut self) -> bool {
        let Some(automaton) = &mut self.automaton else { return false };
        let more = self.learned.read(&mut self.cursor, SLICE, |read, place| match read {
            Read::Byte(byte) => automaton.read(byte, place),
            Read::Border => automaton.interrupt(),
        });
        if !more {
            self.matches.extend(self.automaton.take().map(Automaton::matches).unwrap_or_default());
            self.begin_part();
        }
        self.automaton.is_some()
    }

    fn runs(&self) -> Vec<CopiedRun> {
        // Parts that have not been searched for yet count as not found.
        let mut matches = self.matches.clone();
        matches.resize(self.written.len(), Match::default());
        copied_runs(&self.written, &matches)
    }

    /// Returns the share of copied characters, from 0 to 1; spaces are not counted.
    pub fn share(&self) -> f64 {
        share(&self.written, &self.runs())
    }

    /// Returns the generated text, divided into copied and other pieces.
    pub fn result(&self) -> Copied {
        let runs = self.runs();
        let mut pieces = Vec::new();
        let mut push = |text: &str, passage: Option<Passage>| {
            if !text.is_empty() {
                pieces.push(CopiedPiece { text: text.to_owned(), passage });
            }
        };
        let mut end = 0;
        for run in &runs {
            push(&self.written[end..run.start], None);
            let passage = Passage::new(&self.learned, run.place, run.beyond, run.end - run.start);
            push(&self.written[run.start..run.end], Some(passage));
            end = run.end;
        }
        push(&self.written[end..], None);
        let share = share(&self.written, &runs);
        Copied { share, fewest_words: FEWEST_WORDS, fewest_characters: FEWEST_CHARACTERS, pieces }
    }
}
