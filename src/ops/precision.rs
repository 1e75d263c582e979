//! Half precision on the GPU: 16-bit copies of weights and activations that matrix products read, beside the trained
//! weights of 32 bits (Micikevicius et al. 2018, "Mixed Precision Training").
//!
//! All sums and all gradients keep 32 bits. So no gradient underflows, and no loss scaling is needed, which exists for
//! 16-bit gradients alone.

use super::{Tensor, gpu};

/// The precision of weights and activations where matrix products read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32 bits an element, `torch.float32`.
    Single,
    /// 16 bits an element, `torch.float16`; only on a GPU with WebGPU's `shader-f16`.
    Half,
}

/// Returns a copy in half precision; on the CPU, which has none, the same tensor.
pub fn halved<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    match tensor {
        Tensor::Cpu(_) => tensor.clone(),
        Tensor::Gpu(tensor) => {
            let copy = gpu::empty_of(Precision::Half, tensor.dims(), tensor.gpu());
            gpu::halve(tensor, &copy);
            copy.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::architecture::Norm;
    use crate::config::Activation;
    use crate::ops::{
        Device, Gradients, Heads, LinearGradient, attention, attention_backward, gate, input_gradient,
        input_gradient_through_activation, linear, linear_activated, linear_residual, norm,
        testing::{device_of, gpu_device, moved, random, skip_test, times, values},
        weight_gradient,
    };

    /// The GPU, if it supports half precision. Chromium's SwiftShader does not; Mesa's llvmpipe does.
    fn gpu_with_half() -> Option<Device> {
        let device = gpu_device();
        if !device.supports_half() {
            skip_test("this GPU has no half precision (shader-f16)");
            return None;
        }
        Some(device)
    }

    /// Rounds values to half precision, on the CPU.
    fn rounded<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
        let values = values(tensor).into_iter().map(|value| f16::from_f32(value).to_f32()).collect();
        crate::ops::tensor(values, tensor.dims(), &device_of(tensor))
    }

    /// Asserts equality within the error of half precision, 2e-3 of the largest value.
    fn assert_near<const D: usize>(got: &Tensor<D>, right: &Tensor<D>, name: &str) {
        let (got, right) = (values(got), values(right));
        let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
        for (index, (got, right)) in got.iter().zip(&right).enumerate() {
            assert!((got - right).abs() <= 2e-3 * largest, "{name}: {got} instead of {right} at {index}");
        }
    }

    #[test]
    fn half_precision_copies_are_rounded_to_nearest() {
        let Some(gpu) = gpu_with_half() else { return };
        let x = random([7, 9], 1);
        assert_eq!(values(&halved(&moved(&x, &gpu))), values(&rounded(&x)));
    }

    #[test]
    fn linear_layers_in_half_precision_agree_with_the_cpu() {
        let Some(gpu) = gpu_with_half() else { return };
        let engine = gpu.gpu().unwrap().clone();
        for kernel in gpu::KERNELS {
            engine.choose_kernels(gpu::Choice::always(kernel));
            for [rows, inputs, outputs] in [[64, 32, 48], [13, 7, 9], [70, 36, 65], [1, 16, 20]] {
                let name = |what: &str| format!("{what} of {rows} x {inputs} x {outputs} by {kernel:?}");
                let (x, weight) = (rounded(&random([rows, inputs], 1)), rounded(&random([inputs, outputs], 2)));
                let (bias, gradient) = (random([outputs], 3), random([rows, outputs], 4));
                let (residual, before) = (random([rows, outputs], 5), random([rows, inputs], 6));
                let half = |tensor: &Tensor<2>| halved(&moved(tensor, &gpu));
                let (hx, hweight, gbias) = (half(&x), half(&weight), moved(&bias, &gpu));
                assert_near(&linear(&hx, &hweight, &gbias), &linear(&x, &weight, &bias), &name("linear"));
                let activation = Activation::GeluTanh;
                let right = linear_activated(&x, &weight, &bias, activation);
                let got = linear_activated(&hx, &hweight, &gbias, activation);
                assert_near(&got.0, &right.0, &name("before the activation"));
                assert_near(&got.1, &right.1, &name("after the activation"));
                assert!(gpu::is_half(got.1.gpu()), "{}", name("what a product reads next"));
                let right = linear_residual(&x, &weight, &bias, &residual, None);
                let got = linear_residual(&hx, &hweight, &gbias, &moved(&residual, &gpu), None);
                assert_near(&got, &right, &name("residual"));
                let ggradient = moved(&gradient, &gpu);
                let got = input_gradient(&ggradient, &hweight);
                assert_near(&got, &input_gradient(&gradient, &weight), &name("input gradient"));
                let right = input_gradient_through_activation(&gradient, &weight, &before, activation);
                let got = input_gradient_through_activation(&ggradient, &hweight, &moved(&before, &gpu), activation);
                assert_near(&got, &right, &name("gradient through the activation"));
            }
        }
    }

    #[test]
    fn norms_attention_and_gates_write_half_precision() {
        let Some(gpu) = gpu_with_half() else { return };
        let on = |tensor: &Tensor<1>| moved(tensor, &gpu);
        for (rows, width) in gpu::ROWS.into_iter().zip([12, 130]) {
            gpu.gpu().unwrap().choose_kernels(gpu::Choice { rows, ..gpu::Choice::default() });
            let (x, gain, bias) = (random([9, width], 1), random([width], 2), random([width], 3));
            let kind = Norm::Layer { epsilon: 1e-5 };
            let right = norm(&x, &gain, &bias, kind, Precision::Single).0;
            let got = norm(&moved(&x, &gpu), &on(&gain), &on(&bias), kind, Precision::Half).0;
            assert!(gpu::is_half(got.gpu()));
            assert_near(&got, &right, "layer norm");
        }
        let (qkv, gradient) = (random([2 * 11, 3 * 16], 4), random([2 * 11, 16], 5));
        for kernels in gpu::ATTENTIONS {
            gpu.gpu().unwrap().choose_kernels(gpu::Choice::default().with_attention(kernels));
            let (right, right_saved) = attention(&qkv, 2, Heads::equal(2), None, Precision::Single);
            let (got, saved) = attention(&moved(&qkv, &gpu), 2, Heads::equal(2), None, Precision::Half);
            assert!(gpu::is_half(got.gpu()));
            assert_near(&got, &right, &format!("attention, {kernels:?}"));
            let right = attention_backward(right_saved, &gradient);
            let got = attention_backward(saved, &moved(&gradient, &gpu));
            assert_near(&got, &right, &format!("attention's gradient, {kernels:?}"));
        }
        let x = random([9, 14], 6);
        let right = gate(&x, Activation::Silu, Precision::Single);
        let got = gate(&moved(&x, &gpu), Activation::Silu, Precision::Half);
        assert!(gpu::is_half(got.gpu()));
        assert_near(&got, &right, "gate");
    }

    /// The backward pass is linear in the loss and stores nothing in 16 bits: a loss scaled by a power of two gives
    /// gradients scaled by it, to the bit, however small. So loss scaling would gain nothing.
    #[test]
    fn gradients_below_half_precision_do_not_underflow() {
        const SCALE: f32 = 1.0 / (1u64 << 40) as f32;
        let Some(gpu) = gpu_with_half() else { return };
        let half = |shape, seed| halved(&moved(&random(shape, seed), &gpu));
        let (x, weight) = (half([22, 16], 1), half([16, 48], 2));
        let before = moved(&random([22, 16], 3), &gpu);
        let qkv = moved(&random([22, 48], 4), &gpu);
        let of = |scale: f32| {
            let gradient = |width, seed| moved(&times(&random([22, width], seed), scale), &gpu);
            let place = LinearGradient { weight: 0..768, bias: Some(768..816) };
            let mut gradients = Gradients::new(832, &[], &gpu);
            weight_gradient(&x, &gradient(48, 5), &place, &mut gradients);
            gradients.end_pass();
            let (_, saved) = attention(&qkv, 2, Heads::equal(2), None, Precision::Half);
            let mut flat = futures_lite::future::block_on(gradients.values()).unwrap();
            flat.truncate(816);
            [
                flat,
                values(&input_gradient(&gradient(48, 6), &weight)),
                values(&input_gradient_through_activation(&gradient(48, 7), &weight, &before, Activation::GeluTanh)),
                values(&attention_backward(saved, &gradient(16, 8))),
            ]
            .concat()
        };
        let right: Vec<f32> = of(1.0).into_iter().map(|value| value * SCALE).collect();
        assert!(f16::from_f32(right[0]) == f16::ZERO && right[0] != 0.0);
        assert_eq!(of(SCALE), right);
    }
}
