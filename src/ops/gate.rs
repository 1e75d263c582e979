//! The gate of a gated MLP (Shazeer 2020, "GLU Variants Improve Transformer"): the activation of one half of the first
//! layer's outputs multiplies the other half. With SiLU it is SwiGLU.

use super::{CpuTensor, Precision, Tensor, activation, gpu};
use crate::config::Activation;

/// Computes `activation(gate) * value` of `x [rows, 2 * width]`: each row's gates, then its values. Returns
/// `[rows, width]`; on the GPU in the given precision.
pub fn gate(x: &Tensor<2>, activation: Activation, precision: Precision) -> Tensor<2> {
    match x {
        Tensor::Cpu(x) => {
            let [rows, both] = x.dims();
            let width = both / 2;
            let mut y = Vec::with_capacity(rows * width);
            for row in x.values().chunks_exact(both) {
                let (gates, values) = row.split_at(width);
                let start = y.len();
                y.extend(activation::apply(activation, gates));
                y[start..].iter_mut().zip(values).for_each(|(y, value)| *y *= value);
            }
            CpuTensor::new(y, [rows, width]).into()
        }
        Tensor::Gpu(x) => gpu::gate(x, activation, precision).into(),
    }
}

/// Returns the gradient of `x [rows, 2 * width]` from that of [`gate`]'s output, `[rows, width]`.
pub fn gate_backward(gradient: &Tensor<2>, x: &Tensor<2>, activation: Activation) -> Tensor<2> {
    let x = match x {
        Tensor::Cpu(x) => x,
        Tensor::Gpu(x) => return gpu::gate_backward(gradient.gpu(), x, activation).into(),
    };
    let [_, both] = x.dims();
    let width = both / 2;
    let mut out = Vec::with_capacity(x.values().len());
    for (row, gradient) in x.values().chunks_exact(both).zip(gradient.cpu().values().chunks_exact(width)) {
        let (gates, values) = row.split_at(width);
        let start = out.len();
        out.extend(gradient.iter().zip(values).map(|(gradient, value)| gradient * value));
        activation::through(activation, &mut out[start..], gates);
        out.extend(activation::apply(activation, gates).iter().zip(gradient).map(|(gate, gradient)| gate * gradient));
    }
    CpuTensor::new(out, x.dims()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, assert_gradient, dot, gpu_device, moved, random, times, values};

    #[test]
    fn the_gradient_matches_finite_differences() {
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let (x, out) = (random([3, 10], 1), random([3, 5], 2));
            let gradient = gate_backward(&out, &x, activation);
            assert_gradient(&x, &values(&gradient), |x| dot(&gate(x, activation, Precision::Single), &out));
        }
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        let gpu = gpu_device();
        for [rows, width] in [[5, 7], [70, 64], [1, 1], [3, 130]] {
            for activation in activation::ALL {
                let (x, out) = (times(&random([rows, 2 * width], 1), 6.0), random([rows, width], 2));
                let name = |what: &str| format!("{what} of {rows} x {width}, {activation:?}");
                let on = |tensor: &Tensor<2>| moved(tensor, &gpu);
                let right = gate(&x, activation, Precision::Single);
                assert_close(&gate(&on(&x), activation, Precision::Single), &right, &name("gate"));
                let right = gate_backward(&out, &x, activation);
                assert_close(&gate_backward(&on(&out), &on(&x), activation), &right, &name("gradient"));
            }
        }
    }
}
