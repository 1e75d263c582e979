//! Layer normalisation over the last axis (Ba, Kiros & Hinton 2016), and RMSNorm (Zhang & Sennrich 2019), which leaves
//! the mean as it is: in this file a norm that is not centred, whose mean is taken to be 0.

use super::{CpuTensor, Gradients, NormGradient, Precision, Tensor, gpu, gradients::Store, tensor::mixed};
use crate::architecture::Norm;

/// Values of the forward pass that [`norm_backward`] needs.
pub struct NormSaved {
    /// `[rows, width]`
    x: Tensor<2>,
    /// Mean, 0 for RMSNorm, and reciprocal standard deviation of each row, `[rows, 2]`.
    statistics: Tensor<2>,
    norm: Norm,
}

/// Normalises each row of `x [rows, width]`, then multiplies it by `gain [width]` and adds `bias [width]`. Returns
/// the output, `[rows, width]`, and what the backward pass needs. On the GPU the output has the given precision.
pub fn norm(
    x: &Tensor<2>,
    gain: &Tensor<1>,
    bias: &Tensor<1>,
    norm: Norm,
    precision: Precision,
) -> (Tensor<2>, NormSaved) {
    let (y, statistics) = match x {
        Tensor::Cpu(x) => on_cpu(x, gain.cpu(), bias.cpu(), norm),
        Tensor::Gpu(x) => {
            let (y, statistics) = gpu::norm(x, gain.gpu(), bias.gpu(), norm, precision);
            (y.into(), statistics.into())
        }
    };
    (y, NormSaved { x: x.clone(), statistics, norm })
}

/// Sums with eight accumulators, which the compiler keeps in SIMD registers.
#[inline(always)]
pub(super) fn sum(values: impl ExactSizeIterator<Item = f32>) -> f32 {
    let mut totals = [0.0f32; 8];
    for (index, value) in values.enumerate() {
        totals[index % 8] += value;
    }
    totals.iter().sum()
}

fn on_cpu(x: &CpuTensor<2>, gain: &CpuTensor<1>, bias: &CpuTensor<1>, norm: Norm) -> (Tensor<2>, Tensor<2>) {
    let [rows, width] = x.dims();
    let (gain, bias) = (gain.values(), bias.values());
    let mut y = Vec::with_capacity(rows * width);
    let mut statistics = Vec::with_capacity(2 * rows);
    for row in x.values().chunks_exact(width) {
        let mean = if norm.is_centred() { sum(row.iter().copied()) / width as f32 } else { 0.0 };
        let variance = sum(row.iter().map(|value| (value - mean) * (value - mean))) / width as f32;
        let inverse = 1.0 / (variance + norm.epsilon()).sqrt();
        y.extend(row.iter().zip(gain).zip(bias).map(|((value, gain), bias)| (value - mean) * inverse * gain + bias));
        statistics.extend([mean, inverse]);
    }
    (CpuTensor::new(y, [rows, width]).into(), CpuTensor::new(statistics, [rows, 2]).into())
}

/// Returns the gradient of the input, `[rows, width]`, from that of the output, plus `residual` if given: the gradient
/// of the residual stream that bypasses the layer norm. The gradients of gain and bias are written into the gradient
/// buffer, unless `place` is `None`.
pub fn norm_backward(
    saved: &NormSaved,
    gain: &Tensor<1>,
    gradient: &Tensor<2>,
    residual: Option<&Tensor<2>>,
    place: Option<&NormGradient>,
    gradients: &mut Gradients,
) -> Tensor<2> {
    let x = match &saved.x {
        Tensor::Cpu(x) => x,
        Tensor::Gpu(x) => {
            let (statistics, gradient) = (saved.statistics.gpu(), gradient.gpu());
            if let Some(place) = place {
                let Store::Gpu { norm_count, norms, .. } = &mut gradients.store else { mixed() };
                let norms = norms.get_or_insert_with(|| gpu::NormGradients::new(*norm_count, x));
                norms.add(place.index, x, statistics, gradient);
            }
            let residual = residual.map(Tensor::gpu);
            return gpu::norm_input_gradient(x, statistics, gain.gpu(), gradient, residual, saved.norm).into();
        }
    };
    let [rows, width] = x.dims();
    let (statistics, gradient, gain) = (saved.statistics.cpu(), gradient.cpu(), gain.cpu().values());
    let mut out = Vec::with_capacity(rows * width);
    let mut gain_gradient = vec![0.0f32; width];
    let mut bias_gradient = vec![0.0f32; width];
    let mut normalised = vec![0.0f32; width];
    let rows_of = gradient.values().chunks_exact(width).zip(x.values().chunks_exact(width));
    for ((gradient, x), pair) in rows_of.zip(statistics.values().chunks_exact(2)) {
        let (mean, inverse) = (pair[0], pair[1]);
        normalised.iter_mut().zip(x).for_each(|(normalised, x)| *normalised = (x - mean) * inverse);
        for (index, (gradient, normalised)) in gradient.iter().zip(&normalised).enumerate() {
            gain_gradient[index] += gradient * normalised;
            bias_gradient[index] += gradient;
        }
        let scaled = || gradient.iter().zip(gain).map(|(gradient, gain)| gradient * gain);
        let mean = if saved.norm.is_centred() { sum(scaled()) / width as f32 } else { 0.0 };
        let along = sum(scaled().zip(&normalised).map(|(scaled, normalised)| scaled * normalised)) / width as f32;
        out.extend(
            scaled().zip(&normalised).map(|(scaled, normalised)| (scaled - mean - normalised * along) * inverse),
        );
    }
    if let Some(residual) = residual {
        out.iter_mut().zip(residual.cpu().values()).for_each(|(value, residual)| *value += residual);
    }
    let out = CpuTensor::new(out, [rows, width]).into();
    let Some(place) = place else { return out };
    let adding = gradients.adding;
    for (range, sums) in [(Some(&place.gain), gain_gradient), (place.bias.as_ref(), bias_gradient)] {
        let Some(range) = range else { continue };
        let held = gradients.cpu(range);
        held.iter_mut().zip(sums).for_each(|(held, sum)| *held = if adding { *held + sum } else { sum });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NORMS: [Norm; 2] = [Norm::Layer { epsilon: 1e-3 }, Norm::RootMeanSquare { epsilon: 1e-3 }];
    use crate::ops::testing::{
        assert_close, assert_gradient, assert_values_close, device_of, dot, gpu_device, moved, random, values,
    };

    fn place(width: usize) -> NormGradient {
        let bias = width.next_multiple_of(64);
        NormGradient { index: 0, gain: 0..width, bias: Some(bias..bias + width) }
    }

    /// Gradients of the input, gain and bias.
    fn gradients_of(
        x: &Tensor<2>,
        gain: &Tensor<1>,
        gradient: &Tensor<2>,
        residual: Option<&Tensor<2>>,
        kind: Norm,
        passes: usize,
    ) -> (Tensor<2>, Vec<f32>, Vec<f32>) {
        let (_, saved) = norm(x, gain, gain, kind, Precision::Single);
        let place = place(x.dims()[1]);
        let bias = place.bias.clone().unwrap();
        let len = bias.end.next_multiple_of(64);
        let mut gradients = Gradients::new(len, std::slice::from_ref(&place), &device_of(x));
        let mut out = None;
        for _ in 0..passes {
            out = Some(norm_backward(&saved, gain, gradient, residual, Some(&place), &mut gradients));
            gradients.end_pass();
        }
        let flat = futures_lite::future::block_on(gradients.values()).unwrap();
        (out.unwrap(), flat[place.gain].to_vec(), flat[bias].to_vec())
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (x, gain, bias) = (random([4, 11], 1), random([11], 2), random([11], 3));
        let out = random([4, 11], 4);
        for kind in NORMS {
            let run = |x: &Tensor<2>, gain: &Tensor<1>, bias: &Tensor<1>| {
                dot(&norm(x, gain, bias, kind, Precision::Single).0, &out)
            };
            let (by_x, by_gain, by_bias) = gradients_of(&x, &gain, &out, None, kind, 1);
            assert_gradient(&x, &values(&by_x), |x| run(x, &gain, &bias));
            assert_gradient(&gain, &by_gain, |gain| run(&x, gain, &bias));
            assert_gradient(&bias, &by_bias, |bias| run(&x, &gain, bias));
        }
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        let gpu = gpu_device();
        let engine = gpu.gpu().unwrap().clone();
        // Rows that a team keeps in registers, the last of its threads without a number, and rows that it reads again.
        let shapes =
            [[5, 12], [70, 32], [3, 7], [130, 65], [1, 1], [1, 3], [1, 130], [3, 384], [9, 1024], [2, 1280], [3, 4100]];
        for (seed, [rows, width]) in shapes.into_iter().enumerate() {
            let seed = seed as u64 * 10;
            let (x, gain, bias) = (random([rows, width], seed), random([width], seed + 1), random([width], seed + 2));
            let (out, residual) = (random([rows, width], seed + 3), random([rows, width], seed + 4));
            let (gx, ggain) = (moved(&x, &gpu), moved(&gain, &gpu));
            for (kind, kernel) in NORMS.into_iter().flat_map(|kind| gpu::ROWS.map(|kernel| (kind, kernel))) {
                engine.choose_kernels(gpu::Choice { rows: kernel, ..gpu::Choice::default() });
                let name = |what: &str| format!("{what} of {kind:?}, {rows} x {width}, by {kernel:?}");
                let right = norm(&x, &gain, &bias, kind, Precision::Single).0;
                let got = norm(&gx, &ggain, &moved(&bias, &gpu), kind, Precision::Single).0;
                assert_close(&got, &right, &name("output"));
                for (residual, passes) in [(None, 1), (Some(&residual), 2)] {
                    let right = gradients_of(&x, &gain, &out, residual, kind, passes);
                    let on_gpu = residual.map(|residual| moved(residual, &gpu));
                    let got = gradients_of(&gx, &ggain, &moved(&out, &gpu), on_gpu.as_ref(), kind, passes);
                    assert_close(&got.0, &right.0, &name("input gradient"));
                    assert_values_close(&got.1, &right.1, &name("gain gradient"));
                    assert_values_close(&got.2, &right.2, &name("bias gradient"));
                }
            }
        }
    }

    /// Squares are summed relative to the mean: the mean of squares less the square of the mean would be noise here.
    #[test]
    fn a_large_mean_does_not_hide_the_variance() {
        let gpu = gpu_device();
        let engine = gpu.gpu().unwrap().clone();
        let far: Vec<f32> = values(&random([3, 260], 1)).iter().map(|value| 1000.0 + value).collect();
        let (gain, bias) = (random([260], 2), random([260], 3));
        let x = crate::ops::tensor(far, [3, 260], &device_of(&gain));
        let right = values(&norm(&x, &gain, &bias, NORMS[0], Precision::Single).0);
        for kind in gpu::ROWS {
            engine.choose_kernels(gpu::Choice { rows: kind, ..gpu::Choice::default() });
            let (x, gain, bias) = (moved(&x, &gpu), moved(&gain, &gpu), moved(&bias, &gpu));
            let got = values(&norm(&x, &gain, &bias, NORMS[0], Precision::Single).0);
            // A number's own rounding is 3e-5 here, of deviations up to 1.
            let near = got.iter().zip(&right).all(|(got, right)| (got - right).abs() < 1e-3);
            assert!(near, "{kind:?}");
        }
    }
}
