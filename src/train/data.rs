//! Makes batches of token ids: seeded random or shuffled windows for training, fixed windows for evaluation.

use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use super::{
    answers::{Answers, Side, TurnIds},
    order::shuffled,
};
use crate::{
    config::{ModelConfig, Order, TrainConfig},
    error::{Error, Result},
    model::{Ids, Targets},
    ops::IGNORED,
    tokenizer::TokenIds,
};

/// The first bytes of the stored form of a data set whose ids take 4 bytes. As a count of ids, with which the other
/// form begins, it would be too large for any memory.
const WIDE: &[u8; 8] = b"ids-32/1";

/// How often a window is drawn again because none of its targets counts.
const MOST_DRAWS: usize = 16;

/// The token ids of a text, split into training and validation data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The ids of the training split, document after document.
    pub train: TokenIds,
    /// The ids of the validation split, document after document.
    pub validation: TokenIds,
    /// The number of UTF-8 bytes that `validation` encodes, for bits per byte; 0 if a loss mask leaves some targets
    /// out.
    pub validation_bytes: u64,
    /// The loss mask, if the text has conversations.
    pub answers: Option<Answers>,
}

/// The windows of one forward and backward pass: inputs, and as targets the same tokens shifted by one.
#[derive(Clone)]
pub struct Batch {
    /// Token ids `[batch, time]`.
    pub inputs: Ids,
    /// The next token for each input `[batch, time]`; those that the loss mask leaves out are marked as ignored.
    pub targets: Targets,
}

impl Batch {
    /// Returns some of the windows, whose loss is their part of the batch's.
    pub fn part(&self, windows: Range<usize>) -> Self {
        Self { inputs: self.inputs.part(windows.clone()), targets: self.targets.part(windows, self.inputs.time()) }
    }

    /// Returns at most `most` tokens of a batch of one window: its beginning or, if no target there counts, the tokens
    /// that end with the first target that does.
    ///
    /// # Panics
    /// If there are several windows.
    pub fn piece(&self, most: usize) -> Self {
        assert_eq!(self.inputs.windows(), 1, "one window");
        let counts = |&target: &u32| target != IGNORED as u32;
        let first = self.targets.as_slice().iter().position(counts).unwrap_or(0);
        let start = (first + 1).saturating_sub(most);
        let piece = |numbers: &[u32]| numbers.iter().copied().skip(start).take(most).collect();
        let inputs = Ids::new(piece(self.inputs.as_slice()), 1, self.inputs.vocabulary());
        let targets = Targets::new(piece(self.targets.as_slice()), self.targets.vocabulary());
        Self { inputs: inputs.expect("ids of this vocabulary"), targets: targets.expect("ids of this vocabulary") }
    }
}

/// Hashes two numbers into one that differs for neighbouring values (the mixing function of SplitMix64, Steele, Lea &
/// Flood 2014). It makes a random seed for each step from the seed of the run.
pub fn mix(seed: u64, step: u64) -> u64 {
    let mut value = seed ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Dataset {
    /// Returns the bytes of memory that the ids of both splits take.
    pub fn bytes(&self) -> usize {
        [&self.train, &self.validation].map(|ids| ids.len() * ids.bytes_per_id()).iter().sum()
    }

    /// Checks that at least one training window of `context` tokens has a target that counts.
    ///
    /// # Errors
    /// [`Error::TextTooShort`] if the training split has fewer than `context + 1` tokens; [`Error::NothingToLearn`] if
    /// the loss mask leaves out all of its targets.
    pub fn check(&self, context: usize) -> Result<()> {
        let needed = context + 1;
        if self.train.len() < needed {
            return Err(Error::TextTooShort { tokens: self.train.len(), needed });
        }
        if let Some(answers) = &self.answers
            && !answers.loss_mask(Side::Train, 1, self.train.len()).any(|learned| learned)
        {
            return Err(Error::NothingToLearn);
        }
        Ok(())
    }

    /// Returns the first `windows` windows of the batch of one pass of a run, in the run's order. A text with a loss mask
    /// is read at random, because windows have to be drawn again if nothing in them counts. [`check`](Self::check) must
    /// have passed for this `context`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if an id is not below `vocabulary`.
    pub fn batch_of(
        &self,
        run: &TrainConfig,
        windows: usize,
        context: usize,
        step: u64,
        pass: u64,
        vocabulary: usize,
    ) -> Result<Batch> {
        if run.order == Order::Random || self.answers.is_some() {
            return self.batch(windows, context, run.seed, step, pass, vocabulary);
        }
        let first = (step * run.gradient_accumulation as u64 + pass) * run.batch_size as u64;
        let numbers = first..first + windows as u64;
        let starts: Vec<usize> = numbers.map(|number| shuffled(self.train.len(), context, run.seed, number)).collect();
        self.windows_at(Side::Train, &starts, context, vocabulary)
    }

    /// Draws the batch of one pass: `windows` windows of `context` tokens from random positions of the training split.
    /// The same seed, step and pass give the same batch. [`check`](Self::check) must have passed for this `context`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if an id is not below `vocabulary`.
    pub fn batch(
        &self,
        windows: usize,
        context: usize,
        seed: u64,
        step: u64,
        pass: u64,
        vocabulary: usize,
    ) -> Result<Batch> {
        let mut generator = Pcg64Mcg::seed_from_u64(mix(mix(seed, step), pass));
        let last = self.train.len() - context - 1;
        let mut draw = || generator.random_range(0..=last);
        let mut starts: Vec<usize> = (0..windows).map(|_| self.tried(&mut draw, context)).collect();
        // A batch in which no target counts has no mean loss.
        if !starts.iter().any(|&start| self.counts(start, context)) {
            starts[0] = self.next_that_counts(starts[0], context);
        }
        self.windows_at(Side::Train, &starts, context, vocabulary)
    }

    /// Draws the batches of all passes of the step after `step` of a run with these settings.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if an id is outside the vocabulary of the model.
    pub fn batches(&self, run: &TrainConfig, step: u64, model: &ModelConfig) -> Result<Vec<Batch>> {
        let (context, vocabulary) = (run.window(model.context), model.vocabulary);
        (0..run.gradient_accumulation as u64)
            .map(|pass| self.batch_of(run, run.batch_size, context, step, pass, vocabulary))
            .collect()
    }

    /// Draws positions until a target counts in the window, up to a limit.
    fn tried(&self, draw: &mut impl FnMut() -> usize, context: usize) -> usize {
        let mut start = draw();
        for _ in 1..MOST_DRAWS {
            if self.counts(start, context) {
                break;
            }
            start = draw();
        }
        start
    }

    /// Whether a window has a target that counts.
    fn counts(&self, start: usize, context: usize) -> bool {
        let (from, to) = (start + 1, start + context + 1);
        let learned = |answers: &Answers| answers.loss_mask(Side::Train, from, to).any(|it| it);
        self.answers.as_ref().is_none_or(learned)
    }

    /// The first window from `start` on, and then from the beginning, that ends with a target that counts.
    fn next_that_counts(&self, start: usize, context: usize) -> usize {
        let Some(answers) = &self.answers else { return start };
        let mask = |at| answers.loss_mask(Side::Train, at, self.train.len());
        let from = |at: usize| at + mask(at).take_while(|it| !it).count();
        let (after, first) = (from(start + context), from(1));
        let target = if after < self.train.len() { after } else { first };
        target.saturating_sub(context).min(self.train.len() - context - 1)
    }

    /// Returns the positions at which the fixed validation windows start, and their length in tokens: at most `count`
    /// windows, spread evenly, that do not overlap.
    pub fn validation_windows(&self, count: usize, context: usize) -> (Vec<usize>, usize) {
        let tokens = self.validation.len();
        if tokens < 2 || count == 0 {
            return (Vec::new(), 0);
        }
        let time = context.min(tokens - 1);
        let available = (tokens - 1) / time;
        let count = count.min(available);
        let starts = (0..count).map(|index| index * available / count * time).collect();
        (starts, time)
    }

    /// Builds a batch of the validation windows that start at `starts` and have `time` tokens each.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] if an id is not below `vocabulary`.
    pub fn validation_batch(&self, starts: &[usize], time: usize, vocabulary: usize) -> Result<Batch> {
        self.windows_at(Side::Validation, starts, time, vocabulary)
    }

    fn windows_at(&self, side: Side, starts: &[usize], time: usize, vocabulary: usize) -> Result<Batch> {
        let tokens = match side {
            Side::Train => &self.train,
            Side::Validation => &self.validation,
        };
        let inputs = starts.iter().flat_map(|&start| tokens.range(start..start + time)).collect();
        let targets =
            starts.iter().flat_map(|&start| self.targets(side, tokens, start + 1, start + 1 + time)).collect();
        Ok(Batch { inputs: Ids::new(inputs, starts.len(), vocabulary)?, targets: Targets::new(targets, vocabulary)? })
    }

    fn targets(&self, side: Side, tokens: &TokenIds, from: usize, to: usize) -> Vec<u32> {
        let ids = tokens.range(from..to);
        let Some(answers) = &self.answers else { return ids.collect() };
        let mask = answers.loss_mask(side, from, to);
        ids.zip(mask).map(|(id, counts)| if counts { id } else { IGNORED as u32 }).collect()
    }

    /// Writes the data set as little-endian bytes, in this order: the number of ids of each split and the bytes of
    /// validation text, 8 bytes each; the ids of the training split; the ids of the validation split. With conversations
    /// five times the largest id follows, and what does not count in the loss: how many ranges each split has, and then
    /// the first place of each and the one after its last, as 32-bit numbers.
    ///
    /// In older runs the four ids of turn tokens and that of the end of text stand in the place of the five largest, and
    /// behind them two counts and the positions of assistant turns that do not count, if there are any (`TurnIds`).
    ///
    /// Ids take 2 bytes each if they do so in memory; this was the first form and has no mark. Otherwise they take 4
    /// bytes, and the 8 bytes `ids-32/1` stand before all else.
    pub fn to_bytes(&self) -> Vec<u8> {
        let width = self.train.bytes_per_id().max(self.validation.bytes_per_id());
        let counts = [self.train.len() as u64, self.validation.len() as u64, self.validation_bytes];
        let mut bytes = Vec::with_capacity(64 + width * (self.train.len() + self.validation.len()));
        if width == 4 {
            bytes.extend(WIDE);
        }
        counts.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        self.train.write(&mut bytes, width);
        self.validation.write(&mut bytes, width);
        let Some(answers) = &self.answers else { return bytes };
        bytes.extend(std::iter::repeat_n(u8::MAX, 5 * width));
        let counts = answers.context().iter().map(|ranges| ranges.len() as u32);
        let places = answers.context().iter().flatten().flat_map(|range| [range.start, range.end]);
        counts.chain(places).for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) writes.
    ///
    /// # Errors
    /// [`Error::CheckpointDamaged`] where bytes are missing or left over.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::CheckpointDamaged { reason: "the run's tokens are incomplete".into() };
        let (width, bytes) = bytes.strip_prefix(WIDE).map_or((2, bytes), |rest| (4, rest));
        let (counts, ids) = bytes.split_at_checked(24).ok_or_else(damaged)?;
        let count = |index: usize| u64::from_le_bytes(counts[8 * index..][..8].try_into().expect("8 bytes"));
        let length = |ids: u64| ids.checked_mul(width as u64).and_then(|bytes| usize::try_from(bytes).ok());
        let cut = |bytes, ids| length(ids).and_then(|end| <[u8]>::split_at_checked(bytes, end)).ok_or_else(damaged);
        let (train, rest) = cut(ids, count(0))?;
        let (validation, rest) = cut(rest, count(1))?;
        let (train, validation) = (TokenIds::read(train, width), TokenIds::read(validation, width));
        let (turns, places) = rest.split_at(rest.len().min(5 * width));
        let none = u32::MAX >> (32 - 8 * width);
        let answers = match TokenIds::read(turns, width).iter().collect::<Vec<_>>()[..] {
            [] if turns.is_empty() => None,
            [first, .., last] if turns.len() == 5 * width && first == none && last == none => {
                let pairs = |numbers: &[u32]| numbers.as_chunks::<2>().0.iter().map(|&[from, to]| from..to).collect();
                let numbers = of_splits(places, 2).ok_or_else(damaged)?;
                Some(Answers::new(numbers.map(|numbers| pairs(&numbers))).ok_or_else(damaged)?)
            }
            [system, user, assistant, end, end_of_text] => {
                let only_read = if places.is_empty() { Some(Default::default()) } else { of_splits(places, 1) };
                let only_read = only_read.filter(|splits| splits.iter().all(|it| it.is_sorted_by(|a, b| a < b)));
                let [read_in_train, read_in_validation] = only_read.ok_or_else(damaged)?;
                let context = |ids: &TokenIds, only_read| {
                    let end_of_text = Some(end_of_text).filter(|&id| id != none);
                    TurnIds { tokens: [system, user, assistant, end], end_of_text, only_read }.context(ids)
                };
                Answers::new([context(&train, read_in_train), context(&validation, read_in_validation)])
            }
            _ => return Err(damaged()),
        };
        Ok(Self { train, validation, validation_bytes: count(2), answers })
    }
}

/// Reads numbers of both splits: two counts, and `each` numbers for each one that is counted.
fn of_splits(bytes: &[u8], each: usize) -> Option<[Vec<u32>; 2]> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let numbers: Vec<u32> = numbers.iter().map(|&bytes| u32::from_le_bytes(bytes)).collect();
    let (&[train, validation], places) = numbers.split_first_chunk::<2>()?;
    let length = |count: u32| (count as usize).checked_mul(each);
    let (train, after) = places.split_at_checked(length(train)?)?;
    (rest.is_empty() && after.len() == length(validation)?).then(|| [train.to_vec(), after.to_vec()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Dataset {
        let (train, validation) = ((0..500).collect(), (500..600).collect());
        Dataset { train, validation, validation_bytes: 100, answers: None }
    }

    #[test]
    fn a_piece_of_a_window_has_a_target_that_counts() {
        let ignored = IGNORED as u32;
        let inputs = Ids::new((0..8).collect(), 1, 9).unwrap();
        let piece = |targets: [u32; 8], most| {
            let targets = Targets::new(targets.to_vec(), 9).unwrap();
            let Batch { inputs, targets } = Batch { inputs: inputs.clone(), targets }.piece(most);
            (inputs.as_slice().to_vec(), targets.as_slice().to_vec())
        };
        assert_eq!(piece([1, 2, 3, 4, 5, 6, 7, 8], 3), (vec![0, 1, 2], vec![1, 2, 3]));
        assert_eq!(
            piece([ignored, ignored, ignored, ignored, ignored, 6, 7, 8], 3),
            (vec![3, 4, 5], vec![ignored, ignored, 6])
        );
        assert_eq!(piece([1, 2, 3, 4, 5, 6, 7, 8], 99).0, [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn targets_are_the_inputs_one_place_on() {
        let batch = dataset().batch(4, 16, 1, 2, 3, 600).unwrap();
        assert_eq!(batch.inputs.as_slice().len(), 64);
        for (input, target) in batch.inputs.as_slice().iter().zip(batch.targets.as_slice()) {
            assert_eq!(input + 1, *target);
        }
    }

    #[test]
    fn windows_depend_on_seed_step_and_pass_alone() {
        let windows =
            |seed, step, pass| dataset().batch(3, 8, seed, step, pass, 600).unwrap().inputs.as_slice().to_vec();
        assert_eq!(windows(1, 2, 0), windows(1, 2, 0));
        assert_ne!(windows(1, 2, 0), windows(1, 3, 0));
        assert_ne!(windows(1, 2, 0), windows(2, 2, 0));
        assert_ne!(windows(1, 2, 0), windows(1, 2, 1));
    }

    #[test]
    fn the_last_window_that_fits_can_be_drawn() {
        let dataset = Dataset { train: (0..9).collect(), ..Dataset::default() };
        dataset.check(8).unwrap();
        assert_eq!(dataset.batch(2, 8, 1, 1, 0, 600).unwrap().targets.as_slice()[7], 8);
        assert_eq!(dataset.check(9), Err(Error::TextTooShort { tokens: 9, needed: 10 }));
    }

    #[test]
    fn validation_windows_are_spread_evenly_inside_the_data() {
        let (starts, time) = dataset().validation_windows(3, 16);
        assert_eq!((starts, time), (vec![0, 32, 64], 16));
        assert_eq!(dataset().validation_windows(100, 16).0.len(), 6);
        let short = Dataset { validation: vec![1, 2, 3].into(), ..Dataset::default() };
        assert_eq!(short.validation_windows(5, 16), (vec![0], 2));
        assert_eq!(Dataset::default().validation_windows(5, 16), (vec![], 0));
    }

    /// Conversations: a question (1) and an answer of one token (2), after a long stretch that does not count.
    fn conversations() -> Dataset {
        let context = || vec![0..303, 305..306];
        let answers = Answers::new([context(), context()]);
        let mut train = vec![11u32];
        train.extend([1; 300]);
        train.extend([13, 12, 2, 13, 14]);
        Dataset { train: train.clone().into(), validation: train.into(), validation_bytes: 0, answers }
    }

    #[test]
    fn only_answers_count_and_every_batch_has_a_counted_target() {
        let data = conversations();
        data.check(8).unwrap();
        for step in 0..50 {
            let batch = data.batch(2, 8, 1, step, 0, 15).unwrap();
            let counted: Vec<u32> =
                batch.targets.as_slice().iter().copied().filter(|&id| id != IGNORED as u32).collect();
            assert!(!counted.is_empty() && counted.iter().all(|id| [2, 13].contains(id)), "{counted:?}");
        }
        let answers = Answers::new([vec![0..10; 1], Vec::new()]);
        let silent = Dataset { train: vec![11, 1, 1, 1, 1, 1, 13, 11, 1, 13].into(), answers, ..data };
        assert_eq!(silent.check(4), Err(Error::NothingToLearn));
    }

    #[test]
    fn the_loss_mask_is_saved_with_the_ids() {
        let data = conversations();
        assert_eq!(Dataset::from_bytes(&data.to_bytes()).unwrap(), data);
        assert!(Dataset::from_bytes(&data.to_bytes()[..data.to_bytes().len() - 2]).is_err());
        let bytes = data.to_bytes();
        let plain = Dataset { answers: None, ..data.clone() }.to_bytes().len();
        for end in plain + 1..bytes.len() {
            assert!(Dataset::from_bytes(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
        // A range that ends before it begins.
        let mut wrong = bytes.clone();
        wrong[plain + 10 + 8] = 0xff;
        wrong[plain + 10 + 9] = 0xff;
        assert!(Dataset::from_bytes(&wrong).is_err());
    }

    #[test]
    fn the_ids_of_turns_in_an_older_run_become_its_loss_mask() {
        let data = conversations();
        let mut bytes = Dataset { answers: None, ..data.clone() }.to_bytes();
        [10u16, 11, 12, 13, 14].iter().for_each(|id| bytes.extend(id.to_le_bytes()));
        assert_eq!(Dataset::from_bytes(&bytes).unwrap(), data);
        let none = bytes.clone();
        // The answer of the training split, whose assistant token is at 302, does not count.
        [1u32, 0, 302].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        let context = Dataset::from_bytes(&bytes).unwrap().answers.unwrap().context().clone();
        assert_eq!(context.len(), 2);
        assert_eq!(context[0], std::slice::from_ref(&(0..306)));
        assert_eq!(context[1], [0..303, 305..306]);
        for end in none.len() + 1..bytes.len() {
            assert!(Dataset::from_bytes(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn ids_above_65_535_are_saved_with_their_width() {
        let answers = Answers::new([vec![0..1; 1], vec![]]).unwrap();
        let ids = |ids: Vec<u32>| TokenIds::from(ids);
        let plain =
            Dataset { train: ids(vec![70_001, 2]), validation: ids(vec![4]), validation_bytes: 5, answers: None };
        let bytes = plain.to_bytes();
        assert_eq!(Dataset::from_bytes(&bytes).unwrap(), plain);
        assert!((0..bytes.len()).all(|end| Dataset::from_bytes(&bytes[..end]).is_err()));
        let conversations = Dataset { answers: Some(answers), ..plain };
        let longer = conversations.to_bytes();
        assert_eq!(Dataset::from_bytes(&longer).unwrap(), conversations);
        assert!((bytes.len() + 1..longer.len()).all(|end| Dataset::from_bytes(&longer[..end]).is_err()));
    }

    #[test]
    fn a_data_set_survives_a_round_trip_and_damage_is_refused() {
        let bytes = dataset().to_bytes();
        assert_eq!(Dataset::from_bytes(&bytes).unwrap(), dataset());
        for end in [0, 10, 24, bytes.len() - 1] {
            assert!(Dataset::from_bytes(&bytes[..end]).is_err());
        }
        let mut lying = bytes.clone();
        lying[7] = 0xff;
        assert!(Dataset::from_bytes(&lying).is_err());
    }
}
