//! The language-model head: computes logits from hidden states with the token embedding, and the softmax cross-entropy
//! between logits and targets.
//!
//! Where the flat array of the weights is divided, the token embedding comes in segments of rows. The logits of all
//! rows at once would be the largest tensor in memory (50,257 tokens: 200 KB a row), so the loss and its gradient are
//! computed a few rows at a time.

use super::{
    CpuTensor, Gradients, IGNORED, Scalar, Scalars, Tensor,
    exponential::exp,
    gpu, norm,
    product::{Matrix, MatrixMut, multiply},
};
use crate::{
    config::{LEAST_LOGITS, rows_of_logits},
    model::Targets,
};

/// The logits `hidden [rows, width]` x `tokens [vocabulary, width]` transposed, `[rows, vocabulary]`.
pub fn logits(hidden: &Tensor<2>, tokens: &[Tensor<2>]) -> Tensor<2> {
    match hidden {
        Tensor::Cpu(hidden) => {
            let ([rows, width], vocabulary) = (hidden.dims(), vocabulary(tokens));
            let mut out = vec![0.0f32; rows * vocabulary];
            let values = Matrix::new(hidden.values(), 0, width, 1);
            logits_into(&mut out, values, tokens, [rows, vocabulary, width]);
            CpuTensor::new(out, [rows, vocabulary]).into()
        }
        Tensor::Gpu(hidden) => gpu::logits(hidden, &on_gpu(tokens), false).into(),
    }
}

fn vocabulary(tokens: &[Tensor<2>]) -> usize {
    tokens.iter().map(|piece| piece.dims()[0]).sum()
}

fn on_gpu(tokens: &[Tensor<2>]) -> Vec<gpu::Tensor<2>> {
    tokens.iter().map(|piece| piece.gpu().clone()).collect()
}

fn logits_into(out: &mut [f32], hidden: Matrix, tokens: &[Tensor<2>], [rows, vocabulary, width]: [usize; 3]) {
    let mut first = 0;
    for piece in tokens {
        let count = piece.dims()[0];
        let tokens = piece.cpu().right().transposed();
        multiply(rows, count, width, 1.0, hidden, tokens, MatrixMut::new(out, first, vocabulary, 1));
        first += count;
    }
}

/// Writes the mean cross-entropy over the rows, in nats, into `scalar`. Rows whose target is [`IGNORED`] do not
/// count.
///
/// # Panics
/// For targets of a larger vocabulary, or of another number of rows: the GPU would read past the end of a buffer.
pub fn loss(hidden: &Tensor<2>, tokens: &[Tensor<2>], targets: &Targets, scalars: &mut Scalars, scalar: Scalar) {
    pass(hidden, tokens, targets, scalars, scalar, None);
}

/// Computes the same loss, and returns the gradient of `hidden`, `[rows, width]`. The gradient of `tokens` is written
/// into the gradient buffer from index `place` on, unless that is `None`.
///
/// # Panics
/// As [`loss`].
pub fn loss_and_gradient(
    hidden: &Tensor<2>,
    tokens: &[Tensor<2>],
    targets: &Targets,
    scalars: &mut Scalars,
    scalar: Scalar,
    place: Option<usize>,
    gradients: &mut Gradients,
) -> Tensor<2> {
    pass(hidden, tokens, targets, scalars, scalar, Some((place, gradients))).expect("asked for")
}

fn pass(
    hidden: &Tensor<2>,
    tokens: &[Tensor<2>],
    targets: &Targets,
    scalars: &mut Scalars,
    scalar: Scalar,
    gradients: Option<(Option<usize>, &mut Gradients)>,
) -> Option<Tensor<2>> {
    let (rows, vocabulary) = (hidden.dims()[0], vocabulary(tokens));
    assert_eq!(targets.as_slice().len(), rows, "a target for each row");
    assert!(targets.vocabulary() <= vocabulary, "targets of {} tokens for {vocabulary}", targets.vocabulary());
    let scale = 1.0 / targets.mean_over().max(1) as f32;
    match hidden {
        Tensor::Cpu(hidden) => {
            let (loss, gradient) = pass_on_cpu(hidden, tokens, targets.as_slice(), scale, gradients);
            scalars.set(scalar, loss);
            gradient.map(Tensor::Cpu)
        }
        Tensor::Gpu(hidden) => {
            pass_on_gpu(hidden, &on_gpu(tokens), targets, scale, scalars, scalar, gradients).map(Tensor::Gpu)
        }
    }
}

fn pass_on_gpu(
    hidden: &gpu::Tensor<2>,
    tokens: &[gpu::Tensor<2>],
    targets: &Targets,
    scale: f32,
    scalars: &Scalars,
    scalar: Scalar,
    gradients: Option<(Option<usize>, &mut Gradients)>,
) -> Option<gpu::Tensor<2>> {
    let ([rows, width], vocabulary) = (hidden.dims(), tokens.iter().map(|piece| piece.dims()[0]).sum());
    let losses = gpu::losses(rows, hidden);
    let numbers = gpu::Integers::of_ids(targets.as_slice(), hidden.gpu());
    let backward = gradients.map(|(place, gradients)| {
        let place = place.map(|place| gradients.gpu_rows(place, [vocabulary, width]));
        (gpu::empty([rows, width], hidden.gpu()), place, gradients.adding)
    });
    let most = rows_of_logits(vocabulary, hidden.gpu().bytes_of_logits());
    for first in (0..rows).step_by(most) {
        let count = most.min(rows - first);
        let part = gpu::piece(hidden, first * width, [count, width]);
        let logits = gpu::logits(&part, tokens, true);
        gpu::row_losses(&logits, vocabulary, &numbers, &losses, first, scale, backward.is_some());
        if let Some((out, place, adding)) = &backward {
            gpu::hidden_gradient(&logits, tokens, &gpu::piece(out, first * width, [count, width]));
            if let Some(place) = place {
                gpu::token_gradient(&logits, &part, place, *adding || first > 0);
            }
        }
    }
    let (buffer, place) = scalars.buffer(scalar);
    gpu::sum_into(&losses, buffer, place);
    backward.map(|(out, ..)| out)
}

fn pass_on_cpu(
    hidden: &CpuTensor<2>,
    tokens: &[Tensor<2>],
    targets: &[u32],
    scale: f32,
    mut gradients: Option<(Option<usize>, &mut Gradients)>,
) -> (f32, Option<CpuTensor<2>>) {
    let ([rows, width], vocabulary) = (hidden.dims(), vocabulary(tokens));
    let most = rows_of_logits(vocabulary, LEAST_LOGITS);
    let mut logits = vec![0.0f32; most.min(rows) * vocabulary];
    let mut out = vec![0.0f32; if gradients.is_some() { rows * width } else { 0 }];
    let mut total = 0.0f64;
    for first in (0..rows).step_by(most) {
        let count = most.min(rows - first);
        let part = || Matrix::new(hidden.values(), first * width, width, 1);
        logits_into(&mut logits, part(), tokens, [count, vocabulary, width]);
        for (row, &target) in logits.chunks_exact_mut(vocabulary).zip(&targets[first..first + count]) {
            total += row_loss(row, target, scale, gradients.is_some());
        }
        let Some((place, gradients)) = &mut gradients else { continue };
        let adding = gradients.adding || first > 0;
        let mut token = 0;
        for piece in tokens {
            let tokens = piece.dims()[0];
            let out = MatrixMut::new(&mut out, first * width, width, 1);
            let out = if token > 0 { out.adding() } else { out };
            let columns = Matrix::new(&logits, token, vocabulary, 1);
            multiply(count, width, tokens, 1.0, columns, piece.cpu().right(), out);
            token += tokens;
        }
        let Some(place) = place else { continue };
        let place = MatrixMut::new(gradients.cpu(&(*place..*place + vocabulary * width)), 0, width, 1);
        let place = if adding { place.adding() } else { place };
        multiply(vocabulary, width, count, 1.0, Matrix::new(&logits, 0, vocabulary, 1).transposed(), part(), place);
    }
    let gradient = gradients.map(|_| CpuTensor::new(out, [rows, width]));
    ((total * f64::from(scale)) as f32, gradient)
}

/// The loss of one row of logits. With a gradient, overwrites the logits with it: (softmax - one-hot target) * `scale`.
fn row_loss(row: &mut [f32], target: u32, scale: f32, with_gradient: bool) -> f64 {
    if target == IGNORED as u32 {
        row.fill(0.0);
        return 0.0;
    }
    let largest = row.iter().fold(f32::NEG_INFINITY, |largest, &value| largest.max(value));
    let right = row[target as usize];
    row.iter_mut().for_each(|value| *value = exp(*value - largest));
    // In pieces: the sum over 49,152 tokens in single precision loses the smallest, and was 1e-4 too small.
    let sum: f64 = row.chunks(1024).map(|piece| f64::from(norm::sum(piece.iter().copied()))).sum();
    if with_gradient {
        let scale_by_sum = scale / sum as f32;
        row.iter_mut().for_each(|value| *value *= scale_by_sum);
        row[target as usize] -= scale;
    }
    sum.ln() + f64::from(largest - right)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::tensor;
    use crate::ops::testing::{
        assert_close, assert_gradient, assert_values_close, device, device_of, gpu_device, moved, random, values,
    };

    fn of(numbers: &[u32], tokens: &Tensor<2>) -> Targets {
        Targets::new(numbers.to_vec(), tokens.dims()[0]).unwrap()
    }

    fn loss_of(hidden: &Tensor<2>, tokens: &Tensor<2>, targets: &[u32]) -> f32 {
        let mut scalars = Scalars::new(&device_of(hidden));
        let scalar = scalars.add();
        loss(hidden, from_ref(tokens), &of(targets, tokens), &mut scalars, scalar);
        block_on(scalars.take()).unwrap()[0]
    }

    /// Loss, gradient of the hidden states and gradient of the tokens after `passes` passes.
    fn gradients_of(
        hidden: &Tensor<2>,
        tokens: &Tensor<2>,
        targets: &[u32],
        passes: usize,
    ) -> (f32, Tensor<2>, Vec<f32>) {
        let device = device_of(hidden);
        let [vocabulary, width] = tokens.dims();
        let mut gradients = Gradients::new((vocabulary * width).next_multiple_of(64), &[], &device);
        let mut scalars = Scalars::new(&device);
        let mut out = None;
        for _ in 0..passes {
            let scalar = scalars.add();
            out = Some(loss_and_gradient(
                hidden,
                from_ref(tokens),
                &of(targets, tokens),
                &mut scalars,
                scalar,
                Some(0),
                &mut gradients,
            ));
            gradients.end_pass();
        }
        let mut flat = block_on(gradients.values()).unwrap();
        flat.truncate(vocabulary * width);
        (block_on(scalars.take()).unwrap()[0], out.unwrap(), flat)
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (hidden, tokens) = (random([4, 5], 1), random([7, 5], 2));
        for targets in [[3u32, 0, 2, 6], [3, IGNORED as u32, 2, IGNORED as u32]] {
            let (loss, by_hidden, by_tokens) = gradients_of(&hidden, &tokens, &targets, 1);
            assert_eq!(loss, loss_of(&hidden, &tokens, &targets));
            assert_gradient(&hidden, &values(&by_hidden), |hidden| loss_of(hidden, &tokens, &targets).into());
            assert_gradient(&tokens, &by_tokens, |tokens| loss_of(&hidden, tokens, &targets).into());
        }
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_vocabulary() {
        let loss =
            loss_of(&tensor(vec![1.0; 6], [2, 3], &device()), &tensor(vec![1.0; 150], [50, 3], &device()), &[1, 2]);
        assert!((loss - 50f32.ln()).abs() < 1e-6);
    }

    /// As with the vocabularies of today's models, whose many unlikely tokens count together.
    #[test]
    fn the_loss_of_a_large_vocabulary_is_exact_in_single_precision() {
        const VOCABULARY: usize = 131_072;
        let (hidden, tokens) = (random([1, 2], 1), random([VOCABULARY, 2], 2));
        let (x, table) = (values(&hidden), values(&tokens));
        let logit = |row: &[f32]| row.iter().zip(&x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let logits: Vec<f64> = table.chunks(2).map(logit).collect();
        let right = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[5];
        for device in [device(), gpu_device()] {
            let got = f64::from(loss_of(&moved(&hidden, &device), &moved(&tokens, &device), &[5]));
            assert!((got - right).abs() < 2e-6 * right, "{got} instead of {right} on {device:?}");
        }
    }

    #[test]
    fn nan_logits_give_a_nan_loss() {
        for device in [device(), gpu_device()] {
            for kind in gpu::ROWS {
                if let Some(engine) = device.gpu() {
                    engine.choose_kernels(gpu::Choice { rows: kind, ..gpu::Choice::default() });
                }
                let hidden = tensor(vec![f32::NAN; 3], [1, 3], &device);
                assert!(loss_of(&hidden, &tensor(vec![1.0; 9], [3, 3], &device), &[1]).is_nan());
            }
        }
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        // A GPU so slow that each workgroup is a separate submission, where there are several.
        let gpu = gpu_device();
        gpu.set_speed(1.0);
        let engine = gpu.gpu().unwrap().clone();
        // The last shape is computed in two groups of rows.
        let shapes = [[6, 8, 12], [9, 5, 65], [1, 4, 3], [5, 4, 1], [37, 3, 130], [3, 4, 4101], [70, 4, 131_072]];
        for (seed, [rows, width, vocabulary]) in shapes.into_iter().enumerate() {
            let seed = seed as u64 * 10;
            let (hidden, tokens) = (random([rows, width], seed), random([vocabulary, width], seed + 1));
            let target = |row: usize| if row % 3 == 2 { IGNORED as u32 } else { (row * 7 % vocabulary) as u32 };
            let targets: Vec<u32> = (0..rows).map(target).collect();
            let (ghidden, gtokens) = (moved(&hidden, &gpu), moved(&tokens, &gpu));
            let name = |what: &str| format!("{what} of {rows} x {width} x {vocabulary}");
            assert_close(&logits(&ghidden, from_ref(&gtokens)), &logits(&hidden, from_ref(&tokens)), &name("logits"));
            for (passes, kind) in [(1, gpu::ROWS[0]), (2, gpu::ROWS[1])] {
                engine.choose_kernels(gpu::Choice { rows: kind, ..gpu::Choice::default() });
                let right = gradients_of(&hidden, &tokens, &targets, passes);
                let got = gradients_of(&ghidden, &gtokens, &targets, passes);
                let name = |what: &str| format!("{} by {kind:?}", name(what));
                assert!((got.0 - right.0).abs() <= 1e-4 * right.0.abs(), "{} {} {}", name("loss"), got.0, right.0);
                assert_close(&got.1, &right.1, &name("hidden gradient"));
                assert_values_close(&got.2, &right.2, &name("token gradient"));
            }
        }
    }
}
