//! A linear layer, `y = x W + b`, with GPT-2's weight layout: `[inputs, outputs]` (Hugging Face's `Conv1D`), and fused
//! versions with the operation that follows.

use super::{
    CpuTensor, Gradients, LinearGradient, Mask, Tensor, activation, gpu,
    packed::LowRank,
    product::{Matrix, MatrixMut, multiply},
};
use crate::config::Activation;

/// Computes `x [rows, inputs] x weight [inputs, outputs] + bias [outputs]`, `[rows, outputs]`.
pub fn linear(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>) -> Tensor<2> {
    let shape = [x.dims()[0], weight.dims()[1]];
    match x {
        Tensor::Cpu(x) => CpuTensor::new(biased(x, weight.cpu(), bias.cpu()), shape).into(),
        Tensor::Gpu(x) => gpu::linear(x, weight.gpu(), bias.gpu()).into(),
    }
}

/// Computes a linear layer and its activation; returns the values before the activation and after it,
/// `[rows, outputs]` each.
pub fn linear_activated(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    activation: Activation,
) -> (Tensor<2>, Tensor<2>) {
    match x {
        Tensor::Cpu(x) => {
            let shape = [x.dims()[0], weight.dims()[1]];
            let before = biased(x, weight.cpu(), bias.cpu());
            let after = activation::apply(activation, &before);
            (CpuTensor::new(before, shape).into(), CpuTensor::new(after, shape).into())
        }
        Tensor::Gpu(x) => {
            let (before, after) = gpu::linear_activated(x, weight.gpu(), bias.gpu(), activation);
            (before.into(), after.into())
        }
    }
}

/// Computes a linear layer, applies dropout where there is a mask, and adds `residual [rows, outputs]`.
pub fn linear_residual(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    residual: &Tensor<2>,
    mask: Option<Mask>,
) -> Tensor<2> {
    match x {
        Tensor::Cpu(x) => {
            let residual = residual.cpu();
            let mut y = biased(x, weight.cpu(), bias.cpu());
            if let Some(mask) = mask {
                mask.apply(&mut y, 0);
            }
            y.iter_mut().zip(residual.values()).for_each(|(value, residual)| *value += residual);
            CpuTensor::new(y, residual.dims()).into()
        }
        Tensor::Gpu(x) => gpu::linear_residual(x, weight.gpu(), bias.gpu(), residual.gpu(), mask).into(),
    }
}

/// Broadcasts the bias to all rows and adds the product to it.
fn biased(x: &CpuTensor<2>, weight: &CpuTensor<2>, bias: &CpuTensor<1>) -> Vec<f32> {
    let ([rows, inputs], [_, outputs]) = (x.dims(), weight.dims());
    let mut y = Vec::with_capacity(rows * outputs);
    (0..rows).for_each(|_| y.extend_from_slice(bias.values()));
    let x = Matrix::new(x.values(), 0, inputs, 1);
    multiply(rows, outputs, inputs, 1.0, x, weight.right(), MatrixMut::new(&mut y, 0, outputs, 1).adding());
    for LowRank { a, b, first_output, scale } in weight.adapters() {
        let [rank, changed] = b.dims();
        let mut thin = vec![0.0; rows * rank];
        multiply(rows, rank, inputs, 1.0, x, a.right(), MatrixMut::new(&mut thin, 0, rank, 1));
        let out = MatrixMut::new(&mut y, *first_output, outputs, 1).adding();
        multiply(rows, changed, rank, *scale, Matrix::new(&thin, 0, rank, 1), b.right(), out);
    }
    y
}

/// The gradient of a linear layer's input, `[rows, inputs]`, from that of its output, `[rows, outputs]`.
pub fn input_gradient(gradient: &Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let shape = [gradient.dims()[0], weight.dims()[0]];
    match gradient {
        Tensor::Cpu(gradient) => CpuTensor::new(through(gradient, weight.cpu()), shape).into(),
        Tensor::Gpu(gradient) => gpu::input_gradient(gradient, weight.gpu()).into(),
    }
}

/// The gradient with respect to `before [rows, inputs]`, where the layer's input was `activation(before)`; `gradient`
/// is that of the layer's output, `[rows, outputs]`.
pub fn input_gradient_through_activation(
    gradient: &Tensor<2>,
    weight: &Tensor<2>,
    before: &Tensor<2>,
    activation: Activation,
) -> Tensor<2> {
    match gradient {
        Tensor::Cpu(gradient) => {
            let before = before.cpu();
            let mut values = through(gradient, weight.cpu());
            activation::through(activation, &mut values, before.values());
            CpuTensor::new(values, before.dims()).into()
        }
        Tensor::Gpu(gradient) => {
            gpu::input_gradient_through_activation(gradient, weight.gpu(), before.gpu(), activation).into()
        }
    }
}

fn through(gradient: &CpuTensor<2>, weight: &CpuTensor<2>) -> Vec<f32> {
    let ([rows, outputs], [inputs, _]) = (gradient.dims(), weight.dims());
    let mut values = vec![0.0; rows * inputs];
    let left = Matrix::new(gradient.values(), 0, outputs, 1);
    let right = weight.right().transposed();
    multiply(rows, inputs, outputs, 1.0, left, right, MatrixMut::new(&mut values, 0, inputs, 1));
    for LowRank { a, b, first_output, scale } in weight.adapters() {
        let [rank, changed] = b.dims();
        let mut thin = vec![0.0; rows * rank];
        let left = Matrix::new(gradient.values(), *first_output, outputs, 1);
        multiply(rows, rank, changed, 1.0, left, b.right().transposed(), MatrixMut::new(&mut thin, 0, rank, 1));
        let out = MatrixMut::new(&mut values, 0, inputs, 1).adding();
        multiply(rows, inputs, rank, *scale, Matrix::new(&thin, 0, rank, 1), a.right().transposed(), out);
    }
    values
}

/// Writes the gradients of weight and, where there is one, bias into the gradient buffer, from the layer's input
/// `x [rows, inputs]` and the gradient of its output, `[rows, outputs]`.
pub fn weight_gradient(x: &Tensor<2>, gradient: &Tensor<2>, place: &LinearGradient, gradients: &mut Gradients) {
    let ([rows, inputs], [_, outputs]) = (x.dims(), gradient.dims());
    let adding = gradients.adding;
    let gradient = match gradient {
        Tensor::Cpu(gradient) => gradient,
        Tensor::Gpu(gradient) => {
            let weight = gradients.gpu(place.weight.start, [inputs, outputs]);
            let bias = place.bias.as_ref().map(|bias| gradients.gpu(bias.start, [outputs]));
            return gpu::weight_gradient_into(x.gpu(), gradient, &weight, bias.as_ref(), adding);
        }
    };
    let left = Matrix::new(x.cpu().values(), 0, inputs, 1).transposed();
    let right = Matrix::new(gradient.values(), 0, outputs, 1);
    let out = MatrixMut::new(gradients.cpu(&place.weight), 0, outputs, 1);
    multiply(inputs, outputs, rows, 1.0, left, right, if adding { out.adding() } else { out });
    let Some(bias) = &place.bias else { return };
    let bias = gradients.cpu(bias);
    if !adding {
        bias.fill(0.0);
    }
    for row in gradient.values().chunks_exact(outputs) {
        bias.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{
        Device, Dropout,
        testing::{assert_close, assert_gradient, device, device_of, dot, gpu_device, moved, random, times, values},
    };

    fn place(inputs: usize, outputs: usize) -> LinearGradient {
        let bias = (inputs * outputs).next_multiple_of(64);
        LinearGradient { weight: 0..inputs * outputs, bias: Some(bias..bias + outputs) }
    }

    /// Gradients of weight and bias, after passes on the same input.
    fn gradients_of(x: &Tensor<2>, gradient: &Tensor<2>, passes: usize) -> (Vec<f32>, Vec<f32>) {
        let place = place(x.dims()[1], gradient.dims()[1]);
        let bias = place.bias.clone().unwrap();
        let len = bias.end.next_multiple_of(64);
        let mut gradients = Gradients::new(len, &[], &device_of(x));
        for _ in 0..passes {
            weight_gradient(x, gradient, &place, &mut gradients);
            gradients.end_pass();
        }
        let flat = futures_lite::future::block_on(gradients.values()).unwrap();
        (flat[place.weight].to_vec(), flat[bias].to_vec())
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (x, weight, bias) = (random([5, 3], 1), random([3, 4], 2), random([4], 3));
        let (residual, out) = (random([5, 4], 5), random([5, 4], 4));
        let mask = Dropout::new(0.3, 9).map(|dropout| dropout.mask(1));
        let loss = |y: Tensor<2>| dot(&y, &out);
        let run = |x: &Tensor<2>, w: &Tensor<2>, b: &Tensor<1>| loss(linear(x, w, b));
        let (weight_gradient, bias_gradient) = gradients_of(&x, &out, 1);
        assert_gradient(&x, &values(&input_gradient(&out, &weight)), |x| run(x, &weight, &bias));
        assert_gradient(&weight, &weight_gradient, |weight| run(&x, weight, &bias));
        assert_gradient(&bias, &bias_gradient, |bias| run(&x, &weight, bias));
        let masked = super::super::drop_out(&out, mask);
        let through = input_gradient(&masked, &weight);
        assert_gradient(&x, &values(&through), |x| loss(linear_residual(x, &weight, &bias, &residual, mask)));
    }

    #[test]
    fn gradient_through_the_activation_matches_finite_differences() {
        let (x, weight, out) = (random([5, 3], 1), random([3, 4], 2), random([5, 4], 4));
        let zero = crate::ops::tensor(vec![0.0; 4], [4], &device());
        for activation in [Activation::GeluTanh, Activation::Gelu, Activation::Silu, Activation::Tanh] {
            let gradient = input_gradient_through_activation(&out, &weight, &x, activation);
            assert_gradient(&x, &values(&gradient), |x| {
                let after = activation::apply(activation, &values(x));
                dot(&linear(&crate::ops::tensor(after, [5, 3], &device()), &weight, &zero), &out)
            });
        }
    }

    #[test]
    fn every_activation_is_the_same_on_the_gpu() {
        let gpu = gpu_device();
        let [rows, inputs, outputs] = [9, 12, 20];
        let (x, weight, bias) = (random([rows, inputs], 1), random([inputs, outputs], 2), random([outputs], 3));
        let (before, gradient) = (times(&random([rows, inputs], 4), 6.0), random([rows, outputs], 5));
        let on = |tensor: &Tensor<2>| moved(tensor, &gpu);
        for activation in activation::ALL {
            let right = linear_activated(&x, &weight, &bias, activation).1;
            let got = linear_activated(&on(&x), &on(&weight), &moved(&bias, &gpu), activation).1;
            assert_close(&got, &right, &format!("{activation:?}"));
            let right = input_gradient_through_activation(&gradient, &weight, &before, activation);
            let got = input_gradient_through_activation(&on(&gradient), &on(&weight), &on(&before), activation);
            assert_close(&got, &right, &format!("gradient through {activation:?}"));
        }
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        let device = gpu_device();
        let engine = device.gpu().unwrap();
        // A GPU so slow that each workgroup is a separate submission, where there are several.
        engine.set_speed(1.0);
        let sizes = [[64, 32, 48], [1, 16, 20], [13, 7, 9], [70, 36, 65], [9, 65, 130], [3, 1, 1], [200, 12, 6]];
        for kernel in gpu::KERNELS {
            engine.choose_kernels(gpu::Choice::always(kernel));
            // Tiles are slow on SwiftShader: sizes with and without a factor of four, larger than a tile, and one whose
            // weight gradient is divided along its inner axis.
            let few = [[70, 36, 65], [13, 7, 9], [9, 65, 132], [1100, 20, 68]];
            let sizes = if kernel == gpu::Kernel::Registers { &sizes[..] } else { &few };
            the_gpu_computes_what_the_cpu_does_with(&device, kernel, sizes);
        }
    }

    fn the_gpu_computes_what_the_cpu_does_with(gpu: &Device, kernel: gpu::Kernel, sizes: &[[usize; 3]]) {
        for (seed, &[rows, inputs, outputs]) in sizes.iter().enumerate() {
            let seed = seed as u64 * 10;
            let (x, weight, bias) =
                (random([rows, inputs], seed), random([inputs, outputs], seed + 1), random([outputs], seed + 2));
            let (gradient, residual) = (random([rows, outputs], seed + 3), random([rows, outputs], seed + 4));
            let before = random([rows, inputs], seed + 5);
            let mask = Dropout::new(0.4, seed).map(|dropout| dropout.mask(3));
            let on = |tensor: &Tensor<2>| moved(tensor, gpu);
            let (gx, gweight, gbias) = (on(&x), on(&weight), moved(&bias, gpu));
            let name = |what: &str| format!("{what} of {rows} x {inputs} x {outputs} by {kernel:?}");
            assert_close(&linear(&gx, &gweight, &gbias), &linear(&x, &weight, &bias), &name("linear"));
            let activation = Activation::GeluTanh;
            let cpu = linear_activated(&x, &weight, &bias, activation);
            let gpu_pair = linear_activated(&gx, &gweight, &gbias, activation);
            assert_close(&gpu_pair.0, &cpu.0, &name("before the activation"));
            assert_close(&gpu_pair.1, &cpu.1, &name("after the activation"));
            for mask in [None, mask] {
                let right = linear_residual(&x, &weight, &bias, &residual, mask);
                assert_close(&linear_residual(&gx, &gweight, &gbias, &on(&residual), mask), &right, &name("residual"));
            }
            let right = input_gradient(&gradient, &weight);
            assert_close(&input_gradient(&on(&gradient), &gweight), &right, &name("input gradient"));
            let right = input_gradient_through_activation(&gradient, &weight, &before, activation);
            let got = input_gradient_through_activation(&on(&gradient), &gweight, &on(&before), activation);
            assert_close(&got, &right, &name("gradient through the activation"));
            for passes in [1, 2] {
                let right = gradients_of(&x, &gradient, passes);
                let got = gradients_of(&gx, &on(&gradient), passes);
                super::super::testing::assert_values_close(&got.0, &right.0, &name("weight gradient"));
                super::super::testing::assert_values_close(&got.1, &right.1, &name("bias gradient"));
            }
        }
    }
}
