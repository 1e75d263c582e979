//! Token and position embedding.

use burn::tensor::{IndexingUpdateOp, Int, Tensor};

use super::host::{host, on_host};

/// `ids [batch * time]`, `tokens [vocabulary, width]`, `positions [context, width]` -> `[batch * time, width]`.
/// The windows' first token stands at position `start` of the context.
pub fn embed(ids: Tensor<1, Int>, tokens: Tensor<2>, positions: Tensor<2>, time: usize, start: usize) -> Tensor<2> {
    let width = tokens.dims()[1];
    let rows = ids.dims()[0];
    let positions = positions.slice([start..start + time, 0..width]);
    let embedded = tokens.select(0, ids).reshape([rows / time, time, width]);
    (embedded + positions.unsqueeze()).reshape([rows, width])
}

/// Gradients of the token embedding `[vocabulary, width]` and the position embedding `[context, width]`, from the
/// gradient of the sum, `[batch * time, width]`. `ids` are the same as in [`embed`], also as numbers for the CPU.
pub fn embed_backward(
    ids: Tensor<1, Int>,
    numbers: &[u32],
    gradient: Tensor<2>,
    vocabulary: usize,
    context: usize,
    time: usize,
) -> (Tensor<2>, Tensor<2>) {
    let [rows, width] = gradient.dims();
    let device = gradient.device();
    let by_position = gradient.clone().reshape([rows / time, time, width]).sum_dim(0).reshape([time, width]);
    let by_position = if time == context {
        by_position
    } else {
        Tensor::cat(vec![by_position, Tensor::zeros([context - time, width], &device)], 0)
    };
    if on_host(&device) {
        let values = host(&gradient).expect("on the host");
        let mut sums = vec![0.0f32; vocabulary * width];
        for (row, &id) in values.values().chunks_exact(width).zip(numbers) {
            let sum = &mut sums[id as usize * width..][..width];
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        return (super::tensor(sums, [vocabulary, width], &device), by_position);
    }
    let by_token = Tensor::zeros([vocabulary, width], &device).select_assign(0, ids, gradient, IndexingUpdateOp::Add);
    (by_token, by_position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_gradient, device, random, with_both_bodies};

    #[test]
    fn gradients_match_finite_differences() {
        with_both_bodies(|| {
            let numbers = [1u32, 4, 1, 0, 2, 1];
            let ids = || Tensor::<1, Int>::from_data(numbers.map(|id| id as i32), &device());
            let (tokens, positions, out) = (random([5, 4], 1), random([3, 4], 2), random([6, 4], 3));
            let (by_token, by_position) = embed_backward(ids(), &numbers, out.clone(), 5, 3, 3);
            let run = |tokens, positions| (embed(ids(), tokens, positions, 3, 0) * out.clone()).sum();
            assert_gradient(&tokens, &by_token, |tokens| run(tokens, positions.clone()));
            assert_gradient(&positions, &by_position, |positions| run(tokens.clone(), positions));
        });
    }
}
