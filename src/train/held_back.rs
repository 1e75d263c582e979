//! Bits per byte of the whole held-back text, by which models are compared whatever their tokenizers and contexts are.

use super::{Batch, Dataset};
use crate::{
    error::Result,
    model::{Gpt, Targets},
    ops::{IGNORED, Scalars},
};

/// Windows that are computed at once.
const WINDOWS: usize = 16;

/// Where a window begins, and the place from which on its targets count.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Slide {
    start: usize,
    counts_from: usize,
}

/// The windows over `tokens` tokens, of `time` tokens each: every one begins half a window after the one before, and the
/// last one ends with the text. Each token but the first counts once, in the first window that has it as a target.
fn slides(tokens: usize, time: usize) -> Vec<Slide> {
    let Some(last) = tokens.checked_sub(time + 1) else { return Vec::new() };
    let mut slides = vec![Slide { start: 0, counts_from: 1 }];
    while let Some(&Slide { start, .. }) = slides.last().filter(|slide| slide.start < last) {
        slides.push(Slide { start: (start + time.div_ceil(2)).min(last), counts_from: start + time + 1 });
    }
    slides
}

/// Computes the bits per byte of the whole validation split, with a sliding window of `window` tokens that advances by
/// half of its length: every token but the first counts once, and all beyond the first window are predicted from at
/// least half a window. `None` if there is no validation split, or if a loss mask leaves targets out.
///
/// # Errors
/// [`Error::TokenOutOfRange`](crate::error::Error::TokenOutOfRange) if the text has ids outside the vocabulary of the
/// model; [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
/// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails.
pub async fn held_back_bits_per_byte(gpt: &Gpt, data: &Dataset, window: usize) -> Result<Option<f64>> {
    let tokens = data.validation.len();
    if tokens < 2 || data.validation_bytes == 0 {
        return Ok(None);
    }
    let time = window.min(tokens - 1);
    let vocabulary = gpt.config.vocabulary;
    let mut nats = 0.0;
    for slides in slides(tokens, time).chunks(WINDOWS) {
        let starts: Vec<usize> = slides.iter().map(|slide| slide.start).collect();
        let Batch { inputs, targets } = data.validation_batch(&starts, time, vocabulary)?;
        let mut counted = targets.as_slice().to_vec();
        for (row, slide) in counted.chunks_mut(time).zip(slides) {
            row[..slide.counts_from - slide.start - 1].fill(IGNORED as u32);
        }
        let targets = Targets::new(counted, vocabulary)?;
        let mut losses = Scalars::new(&gpt.device());
        let loss = losses.add();
        gpt.loss(&inputs, &targets, &mut losses, loss);
        let mean = losses.take().await?.into_iter().sum::<f32>();
        nats += f64::from(mean) * targets.counted() as f64;
    }
    Ok(Some(nats / std::f64::consts::LN_2 / data.validation_bytes as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_but_the_first_counts_once_and_has_half_a_window_before_it() {
        for (tokens, time) in [(2, 1), (9, 8), (10, 8), (100, 8), (101, 7), (1000, 64)] {
            let mut counted = vec![0; tokens];
            for (index, Slide { start, counts_from }) in slides(tokens, time).into_iter().enumerate() {
                let targets = counts_from..start + time + 1;
                assert!(!targets.is_empty() && targets.end <= tokens, "{tokens} {time}");
                counted[targets].iter_mut().for_each(|count| *count += 1);
                assert!(index == 0 || counts_from - start > time / 2, "{tokens} {time} {start}");
            }
            assert_eq!(counted[0], 0);
            assert!(counted[1..].iter().all(|&count| count == 1), "{tokens} {time}: {counted:?}");
        }
        assert!(slides(4, 4).is_empty());
    }
}
