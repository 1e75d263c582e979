//! Goes through a text window by window in a shuffled order, without a state: where a window starts follows from its
//! number and the seed.

use super::mix;

/// Start of window number `index` of a run over `tokens` tokens, in windows of `context` tokens that have one token
/// after them. Numbers that are one epoch long give every window once, in an order of their own; in each epoch windows
/// begin elsewhere, so that they are cut at other places. A few tokens at the ends are left out.
///
/// # Panics
/// If the text is not longer than a window.
pub fn shuffled(tokens: usize, context: usize, seed: u64, index: u64) -> usize {
    assert!(tokens > context, "a window and the token after it");
    let windows = ((tokens - 1) / context).saturating_sub(1).max(1) as u64;
    let (epoch, place) = (index / windows, index % windows);
    let key = mix(seed ^ 0x0_5aff1e, epoch);
    let shifts = (tokens - 1) as u64 - windows * context as u64 + 1;
    (key % shifts) as usize + context * permuted(place, windows, key) as usize
}

/// A permutation of the numbers below `count`: a Feistel network of four rounds on numbers of an even number of bits,
/// gone through until the result is below `count` (Black & Rogaway 2002, "Ciphers with Arbitrary Finite Domains").
fn permuted(number: u64, count: u64, key: u64) -> u64 {
    let half = (u64::BITS - (count - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1 << half) - 1;
    let mut number = number;
    loop {
        let (mut left, mut right) = (number >> half, number & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (mix(key.wrapping_add(round), right) & mask));
        }
        number = left << half | right;
        if number < count {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_once() {
        for count in [1, 2, 3, 7, 64, 100, 1000] {
            let mut seen: Vec<u64> = (0..count).map(|number| permuted(number, count, 7)).collect();
            if count > 7 {
                assert!(!seen.is_sorted());
                assert_ne!(seen, (0..count).map(|number| permuted(number, count, 8)).collect::<Vec<_>>());
            }
            seen.sort();
            assert!(seen.into_iter().eq(0..count), "{count}");
        }
    }

    #[test]
    fn an_epoch_has_every_token_once_but_few_at_the_ends() {
        for (tokens, context) in [(9_usize, 8_usize), (17, 8), (1000, 8), (1003, 16)] {
            let windows = ((tokens - 1) / context).saturating_sub(1).max(1);
            for epoch in 0..3 {
                let mut seen = vec![0; tokens];
                for index in 0..windows {
                    let start = shuffled(tokens, context, 5, (epoch * windows + index) as u64);
                    assert!(start + context < tokens);
                    seen[start..start + context].iter_mut().for_each(|count| *count += 1);
                }
                assert!(seen.iter().all(|&count| count <= 1));
                assert_eq!(seen.iter().sum::<usize>(), windows * context);
                assert!(tokens - windows * context <= 2 * context);
            }
        }
    }

    #[test]
    fn windows_are_cut_at_other_places_in_each_epoch() {
        let starts = |epoch: u64| (0..61).map(move |index| shuffled(1000, 16, 5, 61 * epoch + index) % 16);
        assert!(starts(0).all(|start| start == starts(0).next().unwrap()));
        assert!((1..5).any(|epoch| starts(epoch).next() != starts(0).next()));
    }
}
