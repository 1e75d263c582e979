//! A linear layer's matrix W `[inputs, outputs]` with a LoRA adapter: W + scale * A B, with A `[inputs, rank]` and B
//! `[rank, outputs]`.

use std::ops::Range;

use super::{
    CpuTensor, Flat, Gradients, Tensor, gpu,
    product::{Matrix, MatrixMut, multiply},
};

/// The positions of A and B, the same in the flat array of the adapter's weights and in its gradient buffer.
#[derive(Debug, Clone)]
pub struct LoraGradient {
    /// The range of A, `[inputs, rank]`.
    pub a: Range<usize>,
    /// The range of B, `[rank, outputs]`.
    pub b: Range<usize>,
    /// The inner size of the product A B.
    pub rank: usize,
}

impl LoraGradient {
    fn view(&self, flat: &Flat) -> (Tensor<2>, Tensor<2>) {
        let (inputs, outputs) = (self.a.len() / self.rank, self.b.len() / self.rank);
        (flat.piece(self.a.start, [inputs, self.rank]), flat.piece(self.b.start, [self.rank, outputs]))
    }
}

/// Returns `weight + scale * A B`, `[inputs, outputs]`, as a new matrix; A and B are read from `flat`, the adapter's
/// weights.
pub fn adapted(weight: &Tensor<2>, flat: &Flat, place: &LoraGradient, scale: f32) -> Tensor<2> {
    let (a, b) = place.view(flat);
    let weight = match weight {
        Tensor::Cpu(weight) => weight,
        Tensor::Gpu(weight) => return gpu::adapted(weight, a.gpu(), b.gpu(), scale).into(),
    };
    let [inputs, outputs] = weight.dims();
    let mut sum = weight.values().to_vec();
    let left = Matrix::new(a.cpu().values(), 0, place.rank, 1);
    let right = Matrix::new(b.cpu().values(), 0, outputs, 1);
    multiply(inputs, outputs, place.rank, scale, left, right, MatrixMut::new(&mut sum, 0, outputs, 1).adding());
    CpuTensor::new(sum, [inputs, outputs]).into()
}

/// Writes the gradients of A and B into the gradient buffer, from the layer's input `x [rows, inputs]` and the
/// gradient of its output, `[rows, outputs]`. The gradient of W itself, which is as large as W, is never computed.
pub fn thin_gradient(
    x: &Tensor<2>,
    gradient: &Tensor<2>,
    flat: &Flat,
    place: &LoraGradient,
    scale: f32,
    gradients: &mut Gradients,
) {
    let ([rows, inputs], [_, outputs]) = (x.dims(), gradient.dims());
    let (a, b) = place.view(flat);
    let adding = gradients.adding;
    let rank = place.rank;
    let (x, gradient) = match (x, gradient) {
        (Tensor::Cpu(x), Tensor::Cpu(gradient)) => (x, gradient),
        (x, gradient) => {
            let a_place = gradients.gpu(place.a.start, [inputs, rank]);
            let b_place = gradients.gpu(place.b.start, [rank, outputs]);
            let (of, places) = ((a.gpu(), b.gpu()), (&a_place, &b_place));
            return gpu::thin_gradient_into(x.gpu(), gradient.gpu(), of, places, scale, adding);
        }
    };
    let (a, b) = (a.cpu(), b.cpu());
    let x = || Matrix::new(x.values(), 0, inputs, 1);
    let gradient = || Matrix::new(gradient.values(), 0, outputs, 1);
    let mut thin = vec![0.0; rows * rank];
    let mut write = |range: &Range<usize>, [high, wide]: [usize; 2], left: Matrix, right: Matrix| {
        let out = MatrixMut::new(gradients.cpu(range), 0, wide, 1);
        multiply(high, wide, rows, 1.0, left, right, if adding { out.adding() } else { out });
    };
    let transposed = Matrix::new(b.values(), 0, outputs, 1).transposed();
    multiply(rows, rank, outputs, scale, gradient(), transposed, MatrixMut::new(&mut thin, 0, rank, 1));
    write(&place.a, [inputs, rank], x().transposed(), Matrix::new(&thin, 0, rank, 1));
    multiply(
        rows,
        rank,
        inputs,
        scale,
        x(),
        Matrix::new(a.values(), 0, rank, 1),
        MatrixMut::new(&mut thin, 0, rank, 1),
    );
    write(&place.b, [rank, outputs], Matrix::new(&thin, 0, rank, 1).transposed(), gradient());
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::{
        linear,
        testing::{
            assert_close, assert_gradient, assert_values_close, device, device_of, dot, gpu_device, moved, random,
            values,
        },
    };

    fn place(inputs: usize, outputs: usize, rank: usize) -> LoraGradient {
        let b = (inputs * rank).next_multiple_of(128);
        LoraGradient { a: 0..inputs * rank, b: b..b + rank * outputs, rank }
    }

    fn len(place: &LoraGradient) -> usize {
        place.b.end.next_multiple_of(128)
    }

    fn gradients_of(
        x: &Tensor<2>,
        gradient: &Tensor<2>,
        flat: &Flat,
        place: &LoraGradient,
        passes: usize,
    ) -> [Vec<f32>; 2] {
        let mut gradients = Gradients::new(len(place), &[], &device_of(x));
        for _ in 0..passes {
            thin_gradient(x, gradient, flat, place, 0.7, &mut gradients);
            gradients.end_pass();
        }
        let all = block_on(gradients.values()).unwrap();
        [all[place.a.clone()].to_vec(), all[place.b.clone()].to_vec()]
    }

    #[test]
    fn gradients_match_finite_differences() {
        let place = place(5, 6, 2);
        let (x, weight, out) = (random([4, 5], 1), random([5, 6], 2), random([4, 6], 3));
        let (a, b) = (random([5, 2], 4), random([2, 6], 5));
        let flat = |a: &Tensor<2>, b: &Tensor<2>| {
            let mut flat = vec![0.0; len(&place)];
            flat[place.a.clone()].copy_from_slice(&values(a));
            flat[place.b.clone()].copy_from_slice(&values(b));
            Flat::new(flat, len(&place), &device())
        };
        let zero = crate::ops::tensor(vec![0.0; 6], [6], &device());
        let loss =
            |a: &Tensor<2>, b: &Tensor<2>| dot(&linear(&x, &adapted(&weight, &flat(a, b), &place, 0.7), &zero), &out);
        let [by_a, by_b] = gradients_of(&x, &out, &flat(&a, &b), &place, 1);
        assert_gradient(&a, &by_a, |a| loss(a, &b));
        assert_gradient(&b, &by_b, |b| loss(&a, b));
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        let gpu = gpu_device();
        for (seed, [rows, inputs, outputs, rank]) in
            [[9, 16, 24, 4], [13, 7, 9, 3], [70, 20, 33, 8], [5, 4, 4, 1]].into_iter().enumerate()
        {
            let (place, seed) = (place(inputs, outputs, rank), seed as u64 * 10);
            let (x, weight) = (random([rows, inputs], seed), random([inputs, outputs], seed + 1));
            let (gradient, flat) = (random([rows, outputs], seed + 2), values(&random([len(&place)], seed + 3)));
            let (flat, on_gpu) = (Flat::new(flat.clone(), len(&place), &device()), Flat::new(flat, len(&place), &gpu));
            let on = |tensor: &Tensor<2>| moved(tensor, &gpu);
            let name = |what: &str| format!("{what} of {rows} x {inputs} x {outputs} x {rank}");
            let right = adapted(&weight, &flat, &place, 0.7);
            assert_close(&adapted(&on(&weight), &on_gpu, &place, 0.7), &right, &name("sum"));
            for passes in [1, 2] {
                let right = gradients_of(&x, &gradient, &flat, &place, passes);
                let got = gradients_of(&on(&x), &on(&gradient), &on_gpu, &place, passes);
                assert_values_close(&got[0], &right[0], &name("gradient of A"));
                assert_values_close(&got[1], &right[1], &name("gradient of B"));
            }
        }
    }
}
