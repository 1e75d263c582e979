//! Projects the token embeddings onto their two principal components (Pearson 1901), found by orthogonal iteration, and
//! finds each token's nearest neighbours.

use super::{plain, trace::rows};
use crate::{error::Result, model::Gpt};

/// Directions iterated together: the first two then converge even if the third has nearly the same variance.
const DIRECTIONS: usize = 6;
const MOST_ITERATIONS: usize = 60;
/// Convergence: the largest change of any number of the axes in one iteration.
const SETTLED: f32 = 1e-5;

/// The rows of the token embedding.
pub struct Embeddings {
    width: usize,
    /// `[vocabulary, width]`
    table: Vec<f32>,
}

/// Tokens as points in the plane.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingMap {
    /// `[tokens, 2]`: the coordinates along the two principal components.
    pub points: Vec<[f32; 2]>,
    /// The share of the total variance of each of the two components, from 0 to 1.
    pub shares: [f32; 2],
}

impl Gpt {
    /// Reads the rows of the token embedding.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::error::Error::DeviceLost) or
    /// [`Error::GpuCommandRejected`](crate::error::Error::GpuCommandRejected) if the GPU fails.
    pub async fn embeddings(&self) -> Result<Embeddings> {
        Ok(Embeddings { width: self.config.width, table: rows(&self.weights().tokens).await? })
    }
}

impl Embeddings {
    /// Projects the given tokens onto their two principal components. The result is deterministic.
    ///
    /// # Panics
    /// When an id is outside the vocabulary.
    pub fn map(&self, ids: &[u32]) -> EmbeddingMap {
        let width = self.width;
        let mut x: Vec<f32> = ids.iter().flat_map(|&id| self.row(id).iter().copied()).collect();
        center(&mut x, width);
        let total: f64 = x.iter().map(|value| f64::from(*value).powi(2)).sum();
        let axes = principal_axes(&x, width);
        let points: Vec<[f32; 2]> =
            x.chunks_exact(width).map(|row| [0, 1].map(|axis| plain::dot(row, &axes[axis]))).collect();
        let share = |axis: usize| {
            let along: f64 = points.iter().map(|point| f64::from(point[axis]).powi(2)).sum();
            if total > 0.0 { (along / total) as f32 } else { 0.0 }
        };
        EmbeddingMap { shares: [share(0), share(1)], points }
    }

    /// Returns the `count` tokens among `ids` with the largest cosine similarity to `id`, with that similarity, the
    /// nearest first.
    ///
    /// # Panics
    /// When an id is outside the vocabulary.
    pub fn nearest(&self, id: u32, ids: impl Iterator<Item = u32>, count: usize) -> Vec<(u32, f32)> {
        let own = self.row(id);
        let length = plain::norm(own);
        let cosine = |other: u32| {
            let row = self.row(other);
            plain::dot(own, row) / (length * plain::norm(row)).max(f32::MIN_POSITIVE)
        };
        let mut all: Vec<(u32, f32)> = ids.filter(|&other| other != id).map(|other| (other, cosine(other))).collect();
        all.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(count);
        all
    }

    fn row(&self, id: u32) -> &[f32] {
        &self.table[id as usize * self.width..][..self.width]
    }
}

/// Subtracts the mean row.
fn center(x: &mut [f32], width: usize) {
    let count = x.len() / width;
    for column in 0..width {
        let mean = x.iter().skip(column).step_by(width).map(|&value| f64::from(value)).sum::<f64>() / count as f64;
        x.iter_mut().skip(column).step_by(width).for_each(|value| *value -= mean as f32);
    }
}

/// The two directions of largest variance of the rows of `x [rows, width]`, each of length 1, with the sign that makes
/// the largest number positive.
fn principal_axes(x: &[f32], width: usize) -> [Vec<f32>; 2] {
    // A fixed start, so that the result is deterministic; it is practically never orthogonal to the solution.
    let start = |direction: usize| (0..width).map(|at| (1.0 + (at * (direction + 1)) as f32 * 0.7).sin()).collect();
    let mut axes: Vec<Vec<f32>> = (0..DIRECTIONS.max(2)).map(start).collect();
    orthonormalise(&mut axes);
    for _ in 0..MOST_ITERATIONS {
        let mut next: Vec<Vec<f32>> = axes.iter().map(|axis| covariance_times(x, axis)).collect();
        orthonormalise(&mut next);
        let change = |(next, axis): (&Vec<f32>, &Vec<f32>)| {
            next.iter().zip(axis).map(|(next, axis)| (next - axis).abs()).fold(0.0, f32::max)
        };
        let change = next.iter().zip(&axes).take(2).map(change).fold(0.0, f32::max);
        axes = next;
        if change < SETTLED {
            break;
        }
    }
    [0, 1].map(|axis| pointing(std::mem::take(&mut axes[axis])))
}

/// Returns `xᵀ x` times a direction.
fn covariance_times(x: &[f32], direction: &[f32]) -> Vec<f32> {
    let mut product = vec![0.0; direction.len()];
    for row in x.chunks_exact(direction.len()) {
        let along = plain::dot(row, direction);
        product.iter_mut().zip(row).for_each(|(product, value)| *product += along * value);
    }
    product
}

/// Gram-Schmidt: makes the directions orthonormal; a direction that depends on those before it becomes 0.
fn orthonormalise(axes: &mut [Vec<f32>]) {
    for at in 0..axes.len() {
        let (before, rest) = axes.split_at_mut(at);
        let axis = &mut rest[0];
        let length = plain::norm(axis);
        // Twice, because the first pass leaves rounding errors.
        for _ in 0..2 {
            for other in before.iter() {
                let along = plain::dot(axis, other);
                axis.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
            }
        }
        let left = plain::norm(axis);
        let scale = if left > 1e-6 * length { 1.0 / left } else { 0.0 };
        axis.iter_mut().for_each(|value| *value *= scale);
    }
}

fn pointing(mut axis: Vec<f32>) -> Vec<f32> {
    let largest =
        axis.iter().copied().fold(0.0f32, |largest, value| if value.abs() > largest.abs() { value } else { largest });
    if largest < 0.0 {
        axis.iter_mut().for_each(|value| *value = -*value);
    }
    axis
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows with spread 5 along one direction, 2 along another, orthogonal one, and 0.1 along a third.
    fn embeddings() -> (Embeddings, [[f32; 4]; 3], Vec<[f32; 3]>) {
        let half = 0.5f32;
        let axes = [[half, half, half, half], [half, -half, half, -half], [half, half, -half, -half]];
        let spread: Vec<[f32; 3]> = (0..40)
            .map(|at| {
                let at = at as f32;
                [5.0 * (at * 1.7).sin(), 2.0 * (at * 0.9).cos(), 0.1 * (at * 2.3).sin()]
            })
            .collect();
        let row = |along: &[f32; 3]| {
            (0..4).map(|at| 3.0 + axes.iter().zip(along).map(|(axis, along)| axis[at] * along).sum::<f32>()).collect()
        };
        let rows: Vec<Vec<f32>> = spread.iter().map(row).collect();
        (Embeddings { width: 4, table: rows.concat() }, axes, spread)
    }

    #[test]
    fn the_map_shows_the_two_directions_in_which_tokens_differ_most() {
        let (embeddings, _, spread) = embeddings();
        let ids: Vec<u32> = (0..40).collect();
        let map = embeddings.map(&ids);
        assert!(map.shares[0] > 0.8 && map.shares[0] + map.shares[1] > 0.99, "{:?}", map.shares);
        assert_eq!(map, embeddings.map(&ids));
        // Distances on the map are those along the first two directions.
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt();
        for (a, b) in [(0, 1), (3, 30), (7, 22)] {
            let (got, right) = (distance(&map.points[a], &map.points[b]), distance(&spread[a][..2], &spread[b][..2]));
            assert!((got - right).abs() < 0.15, "{got} instead of {right}");
        }
    }

    #[test]
    fn tokens_that_do_not_differ_all_lie_in_one_place() {
        let embeddings = Embeddings { width: 3, table: [0.5, 0.25, -1.0].repeat(4) };
        let map = embeddings.map(&[0, 1, 2, 3]);
        assert!(map.points.iter().flatten().all(|value| value.abs() < 1e-6), "{map:?}");
        assert!(embeddings.map(&[2]).points[0].iter().all(|value| value.is_finite()));
    }

    #[test]
    fn the_nearest_are_those_that_point_the_same_way() {
        let table = [[1.0, 0.0], [0.0, 1.0], [9.0, 1.0], [-1.0, 0.0], [0.0, 0.0]].concat();
        let embeddings = Embeddings { width: 2, table };
        let nearest = embeddings.nearest(0, 0..5, 3);
        assert_eq!(nearest.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 1, 4]);
        assert!((nearest[0].1 - 9.0 / 82f32.sqrt()).abs() < 1e-6);
        assert_eq!(embeddings.nearest(0, 0..5, 99).last().map(|(id, cosine)| (*id, *cosine)), Some((3, -1.0)));
    }
}
