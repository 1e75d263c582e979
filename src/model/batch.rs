//! A batch: windows of token ids, checked against the vocabulary, because kernels index tables by them unchecked.

use std::ops::Range;

use crate::{
    error::{Error, Result},
    ops::IGNORED,
};

/// Token ids of windows of equal length, one window after another, all inside the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    numbers: Vec<u32>,
    windows: usize,
    vocabulary: usize,
}

impl Ids {
    /// Checks the ids and makes windows of them.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] for an id from `vocabulary` on.
    ///
    /// # Panics
    /// When the length of `numbers` is not a multiple of `windows`.
    pub fn new(numbers: Vec<u32>, windows: usize, vocabulary: usize) -> Result<Self> {
        assert!(windows > 0 && numbers.len().is_multiple_of(windows), "{} ids, {windows} windows", numbers.len());
        check(&numbers, vocabulary, |_| false)?;
        Ok(Self { numbers, windows, vocabulary })
    }

    /// `[windows * time]`
    pub fn as_slice(&self) -> &[u32] {
        &self.numbers
    }

    /// Returns the number of windows.
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// Returns the number of tokens per window.
    pub fn time(&self) -> usize {
        self.numbers.len() / self.windows
    }

    /// Returns some of the windows.
    pub fn part(&self, windows: Range<usize>) -> Self {
        let (time, count) = (self.time(), windows.len());
        let numbers = self.numbers[windows.start * time..windows.end * time].to_vec();
        Self { numbers, windows: count, vocabulary: self.vocabulary }
    }

    /// Returns the size of the vocabulary, which all ids are below.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }
}

/// Target ids, one for each input, or [`IGNORED`] for a target that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    numbers: Vec<u32>,
    vocabulary: usize,
    /// The number of targets that count in the batch that these are a part of; none if they are a whole one.
    of_batch: Option<usize>,
}

impl Targets {
    /// Checks the target ids.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] for an id from `vocabulary` on.
    pub fn new(numbers: Vec<u32>, vocabulary: usize) -> Result<Self> {
        check(&numbers, vocabulary, |id| id == IGNORED as u32)?;
        Ok(Self { numbers, vocabulary, of_batch: None })
    }

    /// Returns the targets of some windows, each of `time` tokens, for their part of the batch's loss: the sum over their
    /// targets, divided by the number of targets that count in the whole batch.
    pub fn part(&self, windows: Range<usize>, time: usize) -> Self {
        let numbers = self.numbers[windows.start * time..windows.end * time].to_vec();
        Self { numbers, vocabulary: self.vocabulary, of_batch: Some(self.mean_over()) }
    }

    /// Returns the number of targets that the mean loss is taken over: those that count, or of a part those of its batch.
    pub fn mean_over(&self) -> usize {
        self.of_batch.unwrap_or_else(|| self.counted())
    }

    /// Returns the ids, `[windows * time]`.
    pub fn as_slice(&self) -> &[u32] {
        &self.numbers
    }

    /// Returns the number of targets that count.
    pub fn counted(&self) -> usize {
        self.numbers.iter().filter(|&&target| target != IGNORED as u32).count()
    }

    /// Returns the size of the vocabulary, which all ids but [`IGNORED`] are below.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }
}

fn check(numbers: &[u32], vocabulary: usize, allowed: impl Fn(u32) -> bool) -> Result<()> {
    match numbers.iter().find(|&&id| id as usize >= vocabulary && !allowed(id)) {
        Some(&id) => Err(Error::TokenOutOfRange { id, vocabulary }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_outside_the_vocabulary_is_refused() {
        let refused = Error::TokenOutOfRange { id: 23, vocabulary: 23 };
        assert_eq!(Ids::new(vec![0, 23], 1, 23), Err(refused.clone()));
        assert_eq!(Targets::new(vec![0, 23], 23), Err(refused));
        let ignored = IGNORED as u32;
        assert!(Ids::new(vec![0, ignored], 1, 23).is_err());
        assert_eq!(Targets::new(vec![0, ignored, 22], 23).unwrap().counted(), 2);
        let ids = Ids::new(vec![0, 22, 1, 2, 3, 4], 2, 23).unwrap();
        assert_eq!((ids.windows(), ids.time()), (2, 3));
    }
}
