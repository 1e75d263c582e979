//! Loss mask for chats: only what the assistant's answers add counts. The rest is context.
//!
//! What does not count is kept as ranges of places in the ids, as the chat template of each model tells them
//! (`chat::ChatEncoder`). Outside of conversations every token counts.

use std::ops::Range;

use crate::tokenizer::TokenIds;

/// The two splits of a text: training data and validation data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The split that the weights are fitted to.
    Train,
    /// The split that the loss is only measured on.
    Validation,
}

/// Where the ids of a text do not count as targets, in the training split and in the validation split: ranges in order
/// that do not touch each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    context: [Vec<Range<u32>>; 2],
}

impl Answers {
    /// Wraps ranges of the training split and of the validation split; `None` if they are not in order.
    pub fn new(context: [Vec<Range<u32>>; 2]) -> Option<Self> {
        let in_order = |ranges: &Vec<Range<u32>>| {
            ranges.iter().all(|range| range.start < range.end) && ranges.is_sorted_by(|one, next| one.end < next.start)
        };
        context.iter().all(in_order).then_some(Self { context })
    }

    /// The ranges of both splits, as [`new`](Self::new) takes them.
    pub fn context(&self) -> &[Vec<Range<u32>>; 2] {
        &self.context
    }

    /// Returns the loss mask of the ids at the places `from..to` of a split: whether each counts as a target.
    pub fn loss_mask(&self, side: Side, from: usize, to: usize) -> impl Iterator<Item = bool> + '_ {
        let ranges = &self.context[side as usize];
        let mut next = ranges.partition_point(|range| range.end as usize <= from);
        (from..to).map(move |place| {
            next += usize::from(ranges.get(next).is_some_and(|range| range.end as usize <= place));
            ranges.get(next).is_none_or(|range| place < range.start as usize)
        })
    }
}

/// Collects the places of documents that follow each other.
#[derive(Debug, Default)]
pub struct ContextRanges(Vec<Range<u32>>);

impl ContextRanges {
    /// Adds places that do not count, which are not before those added earlier.
    pub fn push(&mut self, places: Range<usize>) {
        let (start, end) = (places.start as u32, places.end as u32);
        match self.0.last_mut() {
            _ if start >= end => {}
            Some(last) if last.end >= start => last.end = last.end.max(end),
            _ => self.0.push(start..end),
        }
    }

    /// Returns the ranges.
    pub fn finish(self) -> Vec<Range<u32>> {
        self.0
    }
}

/// The ids from which the loss mask of an older run follows: those that begin and end turns and documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnIds {
    /// The ids that begin a turn of the system, the user and the assistant, and the id that ends a turn.
    pub tokens: [u32; 4],
    /// The id that ends a document, where the tokenizer has one.
    pub end_of_text: Option<u32>,
    /// Assistant turns that do not count in the loss: sorted positions of their first token.
    pub only_read: Vec<u32>,
}

/// The kind of text that a token belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Document,
    Answer,
    /// A turn that is only read, or the gap between two turns.
    Other,
}

impl TurnIds {
    /// The kind of text after this id at this position, if the id changes it.
    fn after(&self, place: usize, id: u32) -> Option<Within> {
        match id {
            _ if id == self.tokens[2] => {
                let only_read = self.only_read.binary_search(&(place as u32)).is_ok();
                Some(if only_read { Within::Other } else { Within::Answer })
            }
            _ if self.tokens.contains(&id) => Some(Within::Other),
            _ if Some(id) == self.end_of_text => Some(Within::Document),
            _ => None,
        }
    }

    /// Returns the ranges of places that do not count in the ids of a split. The last token before a token that begins
    /// or ends a turn decides which turn it belongs to.
    pub fn context(&self, ids: &TokenIds) -> Vec<Range<u32>> {
        let (mut ranges, mut within) = (ContextRanges::default(), Within::Document);
        for (place, id) in ids.iter().enumerate() {
            if within == Within::Other || self.tokens[..3].contains(&id) {
                ranges.push(place..place + 1);
            }
            within = self.after(place, id).unwrap_or(within);
        }
        ranges.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(context: &[Range<u32>], from: usize, to: usize) -> Vec<bool> {
        let answers = Answers::new([context.to_vec(), Vec::new()]).unwrap();
        assert!(answers.loss_mask(Side::Validation, from, to).all(|learned| learned));
        answers.loss_mask(Side::Train, from, to).collect()
    }

    #[test]
    fn places_outside_of_the_ranges_count_from_any_start() {
        let context = [0..2, 5..6, 8..20];
        let right: Vec<bool> = (0..25).map(|place| !context.iter().any(|range| range.contains(&place))).collect();
        for from in 0..25 {
            assert_eq!(mask(&context, from, 25), right[from..]);
        }
        assert_eq!(mask(&[], 3, 5), [true, true]);
    }

    #[test]
    fn ranges_are_joined_and_kept_in_order() {
        let mut ranges = ContextRanges::default();
        for range in [0..2, 2..4, 5..5, 6..7, 6..9] {
            ranges.push(range);
        }
        assert_eq!(ranges.finish(), [0..4, 6..9]);
        let ranges = |ranges: &[Range<u32>]| Answers::new([ranges.to_vec(), Vec::new()]);
        assert!(ranges(&[0..1, 2..3]).is_some());
        let wrong: [&[Range<u32>]; 3] = [&[2..3, 0..1], &[0..2, 2..3], &[Range { start: 2, end: 2 }]];
        assert!(wrong.iter().all(|wrong| ranges(wrong).is_none()));
    }

    /// Of an older run: system 10, user 11, assistant 12, end of turn 13, end of text 14.
    #[test]
    fn the_ids_of_an_older_run_tell_its_answers() {
        let ids = TokenIds::from(vec![1, 2, 14, 10, 3, 13, 11, 4, 13, 12, 5, 6, 13, 11, 7, 13, 12, 8, 13, 14, 9, 14]);
        let turns = |only_read| TurnIds { tokens: [10, 11, 12, 13], end_of_text: Some(14), only_read };
        assert_eq!(turns(vec![]).context(&ids), [3..10, 13..17, 19..20]);
        assert_eq!(turns(vec![9]).context(&ids), [3..17, 19..20]);
    }
}
