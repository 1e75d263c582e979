//! RMSNorm of the query and key of each head, before they are rotated (Dehghani et al. 2023; Qwen3). All heads share a
//! gain for queries and one for keys, `[head width]` each.

use std::ops::Range;

use super::{CpuTensor, Gradients, Heads, Tensor, gpu};

/// Normalises the queries and keys of `qkv [rows, heads.joint() * head width]`, in place, and multiplies them by `gains`. Other tensors that share its memory on the GPU change too.
///
/// # Panics
/// When the heads of `qkv` have another width than the gains.
pub fn norm_heads(qkv: &mut Tensor<2>, heads: Heads, gains: [&Tensor<1>; 2], epsilon: f32) {
    let [_, joint] = qkv.dims();
    let [head_width] = gains[0].dims();
    assert!(joint == heads.joint() * head_width && gains[1].dims() == [head_width], "gains of other heads");
    match qkv {
        Tensor::Cpu(qkv) => {
            let gains = gains.map(|gain| gain.cpu().values());
            for row in qkv.values_mut().chunks_exact_mut(joint) {
                for (head, gain) in row.chunks_exact_mut(head_width).zip(of_heads(heads, gains)) {
                    let inverse = inverse(head, epsilon);
                    head.iter_mut().zip(gain).for_each(|(value, gain)| *value *= inverse * gain);
                }
            }
        }
        Tensor::Gpu(qkv) => gpu::norm_heads(qkv, heads, gains.map(Tensor::gpu), epsilon),
    }
}

/// Replaces `gradient`, that of [`norm_heads`]' output, by the gradient of its input, `before`; both are `[rows,
/// heads.joint() * head width]`. The gradients of the gains are written to `places` of the gradient buffer, if given.
pub fn norm_heads_backward(
    before: &Tensor<2>,
    gradient: &mut Tensor<2>,
    heads: Heads,
    gains: [&Tensor<1>; 2],
    epsilon: f32,
    places: Option<[&Range<usize>; 2]>,
    gradients: &mut Gradients,
) {
    let [_, joint] = before.dims();
    let [head_width] = gains[0].dims();
    let adding = gradients.adding;
    let (before, gradient) = match (before, gradient) {
        (Tensor::Cpu(before), gradient) => (before, gradient.cpu_mut()),
        (Tensor::Gpu(before), gradient) => {
            let places = places.map(|places| places.map(|place| gradients.gpu(place.start, [head_width])));
            let gains = gains.map(Tensor::gpu);
            return gpu::norm_heads_backward(before, gradient.gpu(), heads, gains, epsilon, places.as_ref(), adding);
        }
    };
    let gains = gains.map(|gain| gain.cpu().values());
    let mut sums = [vec![0.0f32; head_width], vec![0.0f32; head_width]];
    let mut normalised = vec![0.0f32; head_width];
    for (row, gradient) in before.values().chunks_exact(joint).zip(gradient.chunks_exact_mut(joint)) {
        let of_row =
            row.chunks_exact(head_width).zip(gradient.chunks_exact_mut(head_width)).zip(of_heads(heads, gains));
        for (index, ((head, gradient), gain)) in of_row.enumerate() {
            let inverse = inverse(head, epsilon);
            normalised.iter_mut().zip(head).for_each(|(normalised, value)| *normalised = value * inverse);
            let sums = &mut sums[usize::from(index >= heads.queries)];
            let mut along = 0.0;
            for (((sum, gradient), normalised), gain) in sums.iter_mut().zip(&mut *gradient).zip(&normalised).zip(gain)
            {
                *sum += *gradient * normalised;
                *gradient *= gain;
                along += *gradient * normalised;
            }
            along /= head_width as f32;
            let each = gradient.iter_mut().zip(&normalised);
            each.for_each(|(gradient, normalised)| *gradient = (*gradient - normalised * along) * inverse);
        }
    }
    for (place, sums) in places.into_iter().flatten().zip(sums) {
        let held = gradients.cpu(place);
        held.iter_mut().zip(sums).for_each(|(held, sum)| *held = if adding { *held + sum } else { sum });
    }
}

/// The gain of each query and key head, in their order.
fn of_heads(heads: Heads, [query, key]: [&[f32]; 2]) -> impl Iterator<Item = &[f32]> {
    (0..heads.queries + heads.key_values).map(move |head| if head < heads.queries { query } else { key })
}

/// The reciprocal of the root of the mean of squares.
fn inverse(head: &[f32], epsilon: f32) -> f32 {
    let squares: f32 = head.iter().map(|value| value * value).sum();
    1.0 / (squares / head.len() as f32 + epsilon).sqrt()
}

/// A copy that may be changed in place while the original stays.
pub fn copy(x: &Tensor<2>) -> Tensor<2> {
    match x {
        // The first change copies the memory.
        Tensor::Cpu(x) => CpuTensor::clone(x).into(),
        Tensor::Gpu(x) => gpu::copy(x).into(),
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::testing::{
        assert_close, assert_gradient, assert_values_close, device_of, dot, gpu_device, moved, random, values,
    };

    const EPSILON: f32 = 1e-3;

    fn normed(qkv: &Tensor<2>, heads: Heads, gains: [&Tensor<1>; 2]) -> Tensor<2> {
        let mut out = copy(qkv);
        norm_heads(&mut out, heads, gains, EPSILON);
        out
    }

    /// Gradients of the input and of both gains.
    fn gradients_of(
        qkv: &Tensor<2>,
        out: &Tensor<2>,
        heads: Heads,
        gains: [&Tensor<1>; 2],
        passes: usize,
    ) -> (Tensor<2>, [Vec<f32>; 2]) {
        let [width] = gains[0].dims();
        let places = [0..width, 256..256 + width];
        let mut gradients = Gradients::new(512, &[], &device_of(qkv));
        let mut gradient = copy(out);
        for _ in 0..passes {
            gradient = copy(out);
            let places = Some(places.each_ref());
            norm_heads_backward(qkv, &mut gradient, heads, gains, EPSILON, places, &mut gradients);
            gradients.end_pass();
        }
        let flat = block_on(gradients.values()).unwrap();
        (gradient, places.map(|place| flat[place].to_vec()))
    }

    #[test]
    fn gradients_match_finite_differences() {
        let heads = Heads { queries: 3, key_values: 1 };
        let (qkv, out) = (random([4, 5 * 6], 1), random([4, 5 * 6], 2));
        let gains = [random([6], 3), random([6], 4)];
        let (by_input, by_gains) = gradients_of(&qkv, &out, heads, gains.each_ref(), 1);
        assert_gradient(&qkv, &values(&by_input), |qkv| dot(&normed(qkv, heads, gains.each_ref()), &out));
        assert_gradient(&gains[0], &by_gains[0], |gain| dot(&normed(&qkv, heads, [gain, &gains[1]]), &out));
        assert_gradient(&gains[1], &by_gains[1], |gain| dot(&normed(&qkv, heads, [&gains[0], gain]), &out));
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        let gpu = gpu_device();
        for (queries, key_values, width, rows) in [(3, 1, 6, 5), (4, 2, 64, 70), (2, 2, 128, 1)] {
            let heads = Heads { queries, key_values };
            let (qkv, out) = (random([rows, heads.joint() * width], 1), random([rows, heads.joint() * width], 2));
            let gains = [random([width], 3), random([width], 4)];
            let on_gpu = gains.each_ref().map(|gain| moved(gain, &gpu));
            let right = normed(&qkv, heads, gains.each_ref());
            assert_close(&normed(&moved(&qkv, &gpu), heads, on_gpu.each_ref()), &right, "output");
            for passes in [1, 2] {
                let right = gradients_of(&qkv, &out, heads, gains.each_ref(), passes);
                let got = gradients_of(&moved(&qkv, &gpu), &moved(&out, &gpu), heads, on_gpu.each_ref(), passes);
                assert_close(&got.0, &right.0, "input gradient");
                assert_values_close(&got.1[0], &right.1[0], "gradient of the queries' gain");
                assert_values_close(&got.1[1], &right.1[1], "gradient of the keys' gain");
            }
        }
    }
}
