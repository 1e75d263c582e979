//! Softmax cross-entropy between logits and the ids that really came next.

use burn::tensor::{Int, Tensor, activation::log_softmax};

use super::{
    exponential::exp,
    host::{host, on_host},
};

/// Mean of -ln p(target) over the rows, `[1]`, in nats. `logits [rows, vocabulary]`, `targets [rows]`.
pub fn cross_entropy(logits: Tensor<2>, targets: Tensor<1, Int>, numbers: &[u32]) -> Tensor<1> {
    if on_host(&logits.device()) {
        return fused(logits, numbers, false).0;
    }
    let rows = logits.dims()[0];
    log_softmax(logits, 1).gather(1, targets.reshape([rows, 1])).mean().neg()
}

/// The same loss, and its gradient with respect to the logits: (softmax - one-hot target) / rows.
pub fn cross_entropy_with_gradient(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    numbers: &[u32],
) -> (Tensor<1>, Tensor<2>) {
    if on_host(&logits.device()) {
        let (loss, gradient) = fused(logits, numbers, true);
        return (loss, gradient.expect("asked for"));
    }
    let [rows, vocabulary] = logits.dims();
    let device = logits.device();
    let log_probabilities = log_softmax(logits, 1);
    let loss = log_probabilities.clone().gather(1, targets.clone().reshape([rows, 1])).mean().neg();
    // Burn's own `one_hot` reads the targets back to check them.
    let ids = Tensor::<1, Int>::arange(0..vocabulary as i64, &device).reshape([1, vocabulary]);
    let hot = ids.expand([rows, vocabulary]).equal(targets.reshape([rows, 1]).expand([rows, vocabulary])).float();
    let gradient = (log_probabilities.exp() - hot) / rows as f32;
    (loss, gradient)
}

fn fused(logits: Tensor<2>, targets: &[u32], with_gradient: bool) -> (Tensor<1>, Option<Tensor<2>>) {
    let [rows, vocabulary] = logits.dims();
    let device = logits.device();
    let values = host(&logits).expect("on the host");
    let mut gradient = Vec::with_capacity(if with_gradient { rows * vocabulary } else { 0 });
    let mut exponentials = vec![0.0f32; vocabulary];
    let mut total = 0.0f64;
    for (row, &target) in values.values().chunks_exact(vocabulary).zip(targets) {
        let largest = row.iter().fold(f32::NEG_INFINITY, |largest, &value| largest.max(value));
        for (exponential, value) in exponentials.iter_mut().zip(row) {
            *exponential = exp(value - largest);
        }
        let sum: f32 = exponentials.iter().sum();
        total += f64::from(sum.ln() + largest - row[target as usize]);
        if with_gradient {
            let start = gradient.len();
            let scale = 1.0 / (sum * rows as f32);
            gradient.extend(exponentials.iter().map(|exponential| exponential * scale));
            gradient[start + target as usize] -= 1.0 / rows as f32;
        }
    }
    let loss = super::tensor(vec![(total / rows as f64) as f32], [1], &device);
    (loss, with_gradient.then(|| super::tensor(gradient, [rows, vocabulary], &device)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_gradient, device, random, values, with_both_bodies};

    #[test]
    fn gradient_matches_finite_differences() {
        with_both_bodies(|| {
            let numbers = [3u32, 0, 2, 6];
            let targets = || Tensor::<1, Int>::from_data(numbers.map(|id| id as i32), &device());
            let logits = random([4, 7], 1) * 4.0;
            let (loss, gradient) = cross_entropy_with_gradient(logits.clone(), targets(), &numbers);
            assert_eq!(values(&loss), values(&cross_entropy(logits.clone(), targets(), &numbers)));
            assert_gradient(&logits, &gradient, |logits| cross_entropy(logits, targets(), &numbers));
        });
    }

    #[test]
    fn equal_logits_cost_the_logarithm_of_the_vocabulary() {
        with_both_bodies(|| {
            let targets = Tensor::<1, Int>::from_data([1, 2], &device());
            let loss = cross_entropy(Tensor::ones([2, 50], &device()), targets, &[1, 2]);
            assert!((loss.into_scalar::<f32>() - 50f32.ln()).abs() < 1e-6);
        });
    }

    #[test]
    fn logits_that_are_not_numbers_give_a_loss_that_is_none() {
        with_both_bodies(|| {
            let targets = Tensor::<1, Int>::from_data([1], &device());
            assert!(
                cross_entropy(Tensor::full([1, 3], f32::NAN, &device()), targets, &[1]).into_scalar::<f32>().is_nan()
            );
        });
    }
}
