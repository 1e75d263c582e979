//! The head: hidden states to logits, by the token embedding, and the softmax cross-entropy between logits and the ids that
//! really came next.
//!
//! The token embedding comes in pieces of rows, where its flat array is divided. The logits of all rows at once would be the largest thing in memory (50,257 tokens: 200 KB a row), so the loss and its
//! gradient take a few rows at a time.

use burn::tensor::Tensor;

use super::{
    Figure, Figures, Gradients, IGNORED,
    exponential::exp,
    gpu,
    host::{Host, host},
    product::{Matrix, MatrixMut, multiply},
};
use crate::{config::rows_of_logits, model::Ids};

/// `hidden [rows, width]`, `tokens [vocabulary, width]` -> `[rows, vocabulary]`.
pub fn logits(hidden: &Tensor<2>, tokens: &[Tensor<2>]) -> Tensor<2> {
    let Some(values) = host(hidden) else { return gpu::logits(hidden, tokens, false) };
    let ([rows, width], vocabulary) = (hidden.dims(), vocabulary(tokens));
    let pieces = on_host(tokens);
    let mut out = vec![0.0f32; rows * vocabulary];
    logits_into(&mut out, Matrix::new(values.values(), 0, width, 1), &pieces, [rows, vocabulary, width]);
    super::tensor(out, [rows, vocabulary], &hidden.device())
}

fn vocabulary(tokens: &[Tensor<2>]) -> usize {
    tokens.iter().map(|piece| piece.dims()[0]).sum()
}

/// The pieces' numbers, with how many rows each has.
fn on_host(tokens: &[Tensor<2>]) -> Vec<(usize, Host)> {
    tokens.iter().map(|piece| (piece.dims()[0], host(piece).expect("on the host"))).collect()
}

fn logits_into(out: &mut [f32], hidden: Matrix, pieces: &[(usize, Host)], [rows, vocabulary, width]: [usize; 3]) {
    let mut first = 0;
    for (count, values) in pieces {
        let tokens = Matrix::new(values.values(), 0, width, 1).transposed();
        multiply(rows, *count, width, 1.0, hidden, tokens, MatrixMut::new(out, first, vocabulary, 1));
        first += count;
    }
}

/// Mean of -ln p(target) over the rows, in nats, into `figure`. Rows whose target is [`IGNORED`] do not count.
pub fn loss(hidden: &Tensor<2>, tokens: &[Tensor<2>], targets: &Ids, figures: &mut Figures, figure: Figure) {
    pass(hidden, tokens, targets, figures, figure, None);
}

/// The same, and the gradient of `hidden`; that of `tokens` goes to the gradients from `place` on, where it is wanted.
pub fn loss_and_gradient(
    hidden: &Tensor<2>,
    tokens: &[Tensor<2>],
    targets: &Ids,
    figures: &mut Figures,
    figure: Figure,
    place: Option<usize>,
    gradients: &mut Gradients,
) -> Tensor<2> {
    pass(hidden, tokens, targets, figures, figure, Some((place, gradients))).expect("asked for")
}

fn pass(
    hidden: &Tensor<2>,
    tokens: &[Tensor<2>],
    targets: &Ids,
    figures: &mut Figures,
    figure: Figure,
    gradients: Option<(Option<usize>, &mut Gradients)>,
) -> Option<Tensor<2>> {
    let counted = targets.numbers.iter().filter(|&&target| target != IGNORED as u32).count();
    let scale = 1.0 / counted.max(1) as f32;
    if host(hidden).is_none() {
        return on_gpu(hidden, tokens, targets, scale, figures, figure, gradients);
    }
    let (loss, gradient) = on_cpu(hidden, tokens, &targets.numbers, scale, gradients);
    figures.set(figure, loss);
    gradient
}

fn on_gpu(
    hidden: &Tensor<2>,
    tokens: &[Tensor<2>],
    targets: &Ids,
    scale: f32,
    figures: &Figures,
    figure: Figure,
    gradients: Option<(Option<usize>, &mut Gradients)>,
) -> Option<Tensor<2>> {
    let ([rows, width], vocabulary) = (hidden.dims(), vocabulary(tokens));
    let losses = gpu::losses(rows, hidden);
    let backward = gradients.map(|(place, gradients)| {
        let place = place.map(|place| gradients.flat().rows(place, [vocabulary, width]));
        (gpu::empty([rows, width], &hidden.device()), place, gradients.adding)
    });
    for first in (0..rows).step_by(rows_of_logits(vocabulary)) {
        let count = rows_of_logits(vocabulary).min(rows - first);
        let part = gpu::piece(hidden, first * width, [count, width]);
        let logits = gpu::logits(&part, tokens, true);
        gpu::row_losses(&logits, vocabulary, targets.on_gpu(), &losses, first, scale, backward.is_some());
        if let Some((out, place, adding)) = &backward {
            gpu::hidden_gradient(&logits, tokens, &gpu::piece(out, first * width, [count, width]));
            if let Some(place) = place {
                gpu::token_gradient(&logits, &part, place, *adding || first > 0);
            }
        }
    }
    let (buffer, place) = figures.buffer(figure);
    gpu::sum_into(&losses, buffer, place);
    backward.map(|(out, ..)| out)
}

fn on_cpu(
    hidden: &Tensor<2>,
    tokens: &[Tensor<2>],
    targets: &[u32],
    scale: f32,
    mut gradients: Option<(Option<usize>, &mut Gradients)>,
) -> (f32, Option<Tensor<2>>) {
    let ([rows, width], vocabulary) = (hidden.dims(), vocabulary(tokens));
    let (values, pieces) = (host(hidden).expect("on the host"), on_host(tokens));
    let mut logits = vec![0.0f32; rows_of_logits(vocabulary).min(rows) * vocabulary];
    let mut out = vec![0.0f32; if gradients.is_some() { rows * width } else { 0 }];
    let mut total = 0.0f64;
    for first in (0..rows).step_by(rows_of_logits(vocabulary)) {
        let count = rows_of_logits(vocabulary).min(rows - first);
        let part = || Matrix::new(values.values(), first * width, width, 1);
        logits_into(&mut logits, part(), &pieces, [count, vocabulary, width]);
        for (row, &target) in logits.chunks_exact_mut(vocabulary).zip(&targets[first..first + count]) {
            total += row_loss(row, target, scale, gradients.is_some());
        }
        let Some((place, gradients)) = &mut gradients else { continue };
        let adding = gradients.adding || first > 0;
        let mut token = 0;
        for (tokens, values) in &pieces {
            let out = MatrixMut::new(&mut out, first * width, width, 1);
            let out = if token > 0 { out.adding() } else { out };
            let columns = Matrix::new(&logits, token, vocabulary, 1);
            multiply(count, width, *tokens, 1.0, columns, Matrix::new(values.values(), 0, width, 1), out);
            token += tokens;
        }
        let Some(place) = place else { continue };
        let place =
            gradients.host(&(*place..*place + vocabulary * width)).expect("gradients of the engine of the model");
        let place = MatrixMut::new(place, 0, width, 1);
        let place = if adding { place.adding() } else { place };
        multiply(vocabulary, width, count, 1.0, Matrix::new(&logits, 0, vocabulary, 1).transposed(), part(), place);
    }
    let gradient = gradients.map(|_| super::tensor(out, [rows, width], &hidden.device()));
    ((total * f64::from(scale)) as f32, gradient)
}

/// The loss of one row of logits, which become their gradient, (softmax - one-hot target) * `scale`, if that is wanted.
fn row_loss(row: &mut [f32], target: u32, scale: f32, with_gradient: bool) -> f64 {
    if target == IGNORED as u32 {
        row.fill(0.0);
        return 0.0;
    }
    let largest = row.iter().fold(f32::NEG_INFINITY, |largest, &value| largest.max(value));
    let right = row[target as usize];
    row.iter_mut().for_each(|value| *value = exp(*value - largest));
    let sum: f32 = row.iter().sum();
    if with_gradient {
        let scale_by_sum = scale / sum;
        row.iter_mut().for_each(|value| *value *= scale_by_sum);
        row[target as usize] -= scale;
    }
    f64::from(sum.ln() + largest - right)
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use burn::tensor::Device;
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::{
        assert_close, assert_gradient, assert_values_close, device, gpu_device, moved, random, values,
    };

    fn loss_of(hidden: &Tensor<2>, tokens: &Tensor<2>, targets: &[u32]) -> f32 {
        let mut figures = Figures::new(&hidden.device());
        let figure = figures.add();
        loss(hidden, from_ref(tokens), &ids(targets, &hidden.device()), &mut figures, figure);
        block_on(figures.take()).unwrap()[0]
    }

    fn ids(numbers: &[u32], device: &Device) -> Ids {
        Ids::new(numbers.to_vec(), 1, device)
    }

    /// Loss, gradient of the hidden states and gradient of the tokens, of `passes` passes.
    fn gradients_of(
        hidden: &Tensor<2>,
        tokens: &Tensor<2>,
        targets: &[u32],
        passes: usize,
    ) -> (f32, Tensor<2>, Vec<f32>) {
        let device = hidden.device();
        let [vocabulary, width] = tokens.dims();
        let mut gradients = Gradients::new((vocabulary * width).next_multiple_of(64), &[], &device);
        let mut figures = Figures::new(&device);
        let mut out = None;
        for _ in 0..passes {
            let figure = figures.add();
            out = Some(loss_and_gradient(
                hidden,
                from_ref(tokens),
                &ids(targets, &device),
                &mut figures,
                figure,
                Some(0),
                &mut gradients,
            ));
            gradients.end_pass();
        }
        let mut flat = block_on(gradients.values()).unwrap();
        flat.truncate(vocabulary * width);
        (block_on(figures.take()).unwrap()[0], out.unwrap(), flat)
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (hidden, tokens) = (random([4, 5], 1), random([7, 5], 2));
        for targets in [[3u32, 0, 2, 6], [3, IGNORED as u32, 2, IGNORED as u32]] {
            let (loss, by_hidden, by_tokens) = gradients_of(&hidden, &tokens, &targets, 1);
            assert_eq!(loss, loss_of(&hidden, &tokens, &targets));
            let as_tensor = |loss: f32| Tensor::from_floats([loss], &device());
            assert_gradient(&hidden, &values(&by_hidden), |hidden| as_tensor(loss_of(hidden, &tokens, &targets)));
            assert_gradient(&tokens, &by_tokens, |tokens| as_tensor(loss_of(&hidden, tokens, &targets)));
        }
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_vocabulary() {
        let loss = loss_of(&Tensor::ones([2, 3], &device()), &Tensor::ones([50, 3], &device()), &[1, 2]);
        assert!((loss - 50f32.ln()).abs() < 1e-6);
    }

    #[test]
    fn logits_that_are_not_numbers_give_a_loss_that_is_none() {
        for device in [device(), gpu_device()] {
            let hidden = super::super::tensor(vec![f32::NAN; 3], [1, 3], &device);
            assert!(loss_of(&hidden, &super::super::tensor(vec![1.0; 9], [3, 3], &device), &[1]).is_nan());
        }
    }

    #[test]
    fn the_gpu_computes_what_the_cpu_does() {
        // A GPU so slow that each workgroup is a submission of its own, where there are several.
        gpu::set_speed(1.0);
        let gpu = gpu_device();
        // The last takes its rows in two parts.
        for (seed, [rows, width, vocabulary]) in
            [[6, 8, 12], [9, 5, 65], [1, 4, 3], [70, 4, 131_072]].into_iter().enumerate()
        {
            let seed = seed as u64 * 10;
            let (hidden, tokens) = (random([rows, width], seed), random([vocabulary, width], seed + 1));
            let target = |row: usize| if row % 3 == 2 { IGNORED as u32 } else { (row * 7 % vocabulary) as u32 };
            let targets: Vec<u32> = (0..rows).map(target).collect();
            let (ghidden, gtokens) = (moved(&hidden, &gpu), moved(&tokens, &gpu));
            let name = |what: &str| format!("{what} of {rows} x {width} x {vocabulary}");
            assert_close(&logits(&ghidden, from_ref(&gtokens)), &logits(&hidden, from_ref(&tokens)), &name("logits"));
            for passes in [1, 2] {
                let right = gradients_of(&hidden, &tokens, &targets, passes);
                let got = gradients_of(&ghidden, &gtokens, &targets, passes);
                assert!((got.0 - right.0).abs() < 1e-4 * right.0.abs(), "{} {} {}", name("loss"), got.0, right.0);
                assert_close(&got.1, &right.1, &name("hidden gradient"));
                assert_values_close(&got.2, &right.2, &name("token gradient"));
            }
        }
    }
}
