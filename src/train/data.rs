//! Token ids to batches: seeded random windows to train on, fixed windows to evaluate on.

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    error::{Error, Result},
    model::Ids,
};

/// The token ids of a text, split.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    pub train: Vec<u16>,
    pub validation: Vec<u16>,
    /// Bytes of the text that `validation` encodes, for bits per byte.
    pub validation_bytes: u64,
}

/// Inputs and, one place further on, what the model should say.
pub struct Batch {
    pub inputs: Ids,
    pub targets: Ids,
}

/// A number that depends on both of its own and differs for neighbours (the mixing function of SplitMix64,
/// Steele, Lea & Flood 2014).
pub fn mix(seed: u64, step: u64) -> u64 {
    let mut value = seed ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl Dataset {
    /// Refuses a text in which not one training window fits.
    pub fn check(&self, context: usize) -> Result<()> {
        let needed = context + 1;
        if self.train.len() < needed {
            return Err(Error::TextTooShort { tokens: self.train.len(), needed });
        }
        Ok(())
    }

    /// The windows of one pass: `windows` of `context` tokens from random places, the same for the same seed, step
    /// and pass.
    pub fn batch(&self, windows: usize, context: usize, seed: u64, step: u64, pass: u64, device: &Device) -> Batch {
        let mut generator = Pcg64Mcg::seed_from_u64(mix(mix(seed, step), pass));
        let last = self.train.len() - context - 1;
        let starts: Vec<usize> = (0..windows).map(|_| generator.random_range(0..=last)).collect();
        windows_at(&self.train, &starts, context, device)
    }

    /// Where the fixed validation windows start and how long they are: at most `count`, spread evenly.
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

    /// The validation windows at `starts`.
    pub fn validation_batch(&self, starts: &[usize], time: usize, device: &Device) -> Batch {
        windows_at(&self.validation, starts, time, device)
    }

    /// The ids as bytes, little-endian: two counts, the bytes of validation text, then the ids of both sides.
    pub fn to_bytes(&self) -> Vec<u8> {
        let counts = [self.train.len() as u64, self.validation.len() as u64, self.validation_bytes];
        let mut bytes = Vec::with_capacity(24 + 2 * (self.train.len() + self.validation.len()));
        counts.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
        self.train.iter().chain(&self.validation).for_each(|id| bytes.extend(id.to_le_bytes()));
        bytes
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = || Error::CheckpointDamaged { reason: "the run's tokens are incomplete".into() };
        let (counts, ids) = bytes.split_at_checked(24).ok_or_else(damaged)?;
        let count = |index: usize| u64::from_le_bytes(counts[8 * index..][..8].try_into().expect("8 bytes"));
        let expected = count(0).checked_add(count(1)).and_then(|ids| ids.checked_mul(2)).ok_or_else(damaged)?;
        if ids.len() as u64 != expected {
            return Err(damaged());
        }
        let (train, validation) = ids.split_at(2 * count(0) as usize);
        let read = |ids: &[u8]| ids.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        Ok(Self { train: read(train), validation: read(validation), validation_bytes: count(2) })
    }
}

fn windows_at(tokens: &[u16], starts: &[usize], time: usize, device: &Device) -> Batch {
    let gather = |shift: usize| {
        let windows = starts.iter().flat_map(|start| &tokens[start + shift..start + shift + time]);
        Ids::new(windows.map(|&id| u32::from(id)).collect(), starts.len(), device)
    };
    Batch { inputs: gather(0), targets: gather(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Dataset {
        Dataset { train: (0..500).collect(), validation: (500..600).collect(), validation_bytes: 100 }
    }

    #[test]
    fn targets_are_the_inputs_one_place_on() {
        let batch = dataset().batch(4, 16, 1, 2, 3, &Device::flex());
        assert_eq!(batch.inputs.numbers.len(), 64);
        for (input, target) in batch.inputs.numbers.iter().zip(&batch.targets.numbers) {
            assert_eq!(input + 1, *target);
        }
    }

    #[test]
    fn windows_follow_seed_step_and_pass_alone() {
        let windows = |seed, step, pass| dataset().batch(3, 8, seed, step, pass, &Device::flex()).inputs.numbers;
        assert_eq!(windows(1, 2, 0), windows(1, 2, 0));
        assert_ne!(windows(1, 2, 0), windows(1, 3, 0));
        assert_ne!(windows(1, 2, 0), windows(2, 2, 0));
        assert_ne!(windows(1, 2, 0), windows(1, 2, 1));
    }

    #[test]
    fn the_last_window_that_fits_can_be_drawn() {
        let dataset = Dataset { train: (0..9).collect(), ..Dataset::default() };
        dataset.check(8).unwrap();
        assert_eq!(dataset.batch(2, 8, 1, 1, 0, &Device::flex()).targets.numbers[7], 8);
        assert_eq!(dataset.check(9), Err(Error::TextTooShort { tokens: 9, needed: 10 }));
    }

    #[test]
    fn validation_windows_are_spread_and_inside() {
        let (starts, time) = dataset().validation_windows(3, 16);
        assert_eq!((starts, time), (vec![0, 32, 64], 16));
        assert_eq!(dataset().validation_windows(100, 16).0.len(), 6);
        let short = Dataset { validation: vec![1, 2, 3], ..Dataset::default() };
        assert_eq!(short.validation_windows(5, 16), (vec![0], 2));
        assert_eq!(Dataset::default().validation_windows(5, 16), (vec![], 0));
    }

    #[test]
    fn bytes_come_back_and_damage_is_noticed() {
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
