//! Measures the duration of GPU work without the latency of its completion callback. The callback arrives between a
//! fraction of a millisecond and, in Firefox, a tenth of a second late; so batches of two lengths are timed, and their
//! difference counts.
//!
//! The work to measure is a function: it queues a number of pieces of work and returns the seconds until all of them
//! are known to be done.

/// Largest number of pieces in a batch: a GPU whose time for so many is below the noise is fast enough.
const MOST: f64 = 64.0;

/// The latency in seconds until an empty batch is known to be done: the least of three.
pub async fn latency<E>(seconds: impl AsyncFn(usize) -> Result<f64, E>) -> Result<f64, E> {
    let mut least = seconds(0).await?;
    for _ in 0..2 {
        least = least.min(seconds(0).await?);
    }
    Ok(least)
}

/// The number of pieces that take about `enough` seconds, at `each` seconds a piece, which may be 0, or negative by
/// noise.
pub fn pieces(enough: f64, each: f64) -> usize {
    (enough / each.max(f64::MIN_POSITIVE)).clamp(1.0, MOST) as usize
}

/// The seconds per piece, from the difference of a batch of 1 and one of `1 + pieces`. It may be 0 or negative, where
/// the difference is below the noise.
pub async fn slope<E>(seconds: impl AsyncFn(usize) -> Result<f64, E>, pieces: usize) -> Result<f64, E> {
    let short = seconds(1).await?;
    let long = seconds(1 + pieces).await?;
    Ok((long - short) / pieces as f64)
}

/// The median.
///
/// # Panics
/// When there are no values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_lite::future::block_on;

    use super::*;

    /// A GPU that takes `each` seconds a piece, and whose completion callback arrives `late` seconds later.
    fn gpu(each: f64, late: f64) -> impl AsyncFn(usize) -> Result<f64, Infallible> {
        async move |count| Ok(late + each * count as f64)
    }

    #[test]
    fn completion_latency_does_not_change_the_slope() {
        for late in [0.0, 0.002, 0.005, 0.1] {
            let Ok(waited) = block_on(latency(gpu(0.003, late)));
            assert!((waited - late).abs() < 1e-12);
            let Ok(each) = block_on(slope(gpu(0.003, late), 10));
            assert!((each - 0.003).abs() < 1e-12, "{each} where answers take {late}");
        }
    }

    #[test]
    fn a_batch_has_enough_pieces_to_be_measurable() {
        assert_eq!(pieces(0.04, 0.01), 4);
        assert_eq!(pieces(0.04, 1.0), 1);
        assert_eq!(pieces(0.04, 0.0), 64);
        assert_eq!(pieces(0.04, -0.001), 64);
    }

    #[test]
    fn a_single_outlier_does_not_change_the_median() {
        assert_eq!(median(vec![3.0, 1000.0, 1.0]), 3.0);
    }
}
