//! A linear layer's matrix W `[inputs, outputs]` with a LoRA adapter: W + scale * A B, with A `[inputs, rank]` and B
//! `[rank, outputs]`. A joint layer has an adapter for each part of its outputs.

use std::{ops::Range, sync::Arc};

use super::{
    CpuTensor, Flat, Gradients, Tensor,
    columns::columns,
    gpu,
    packed::{Frozen, LowRank},
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
    /// The first of the layer's outputs that it changes.
    pub first_output: usize,
}

impl LoraGradient {
    /// The first output after those that it changes.
    pub fn outputs_end(&self) -> usize {
        self.outputs().end
    }

    /// The layer's outputs that it changes.
    fn outputs(&self) -> Range<usize> {
        self.first_output..self.first_output + self.b.len() / self.rank
    }

    fn view(&self, flat: &Flat) -> (Tensor<2>, Tensor<2>) {
        let (inputs, outputs) = (self.a.len() / self.rank, self.b.len() / self.rank);
        (flat.piece(self.a.start, [inputs, self.rank]), flat.piece(self.b.start, [self.rank, outputs]))
    }
}

/// Returns `weight + scale * A B`, `[inputs, outputs]`, as a new matrix, with A and B of every part of the outputs that
/// has an adapter; they are read from `flat`, the adapter's weights. A frozen matrix is not widened for the sum: A and B
/// stay beside it, and a layer's products take a second, thin path through them.
pub fn adapted(weight: &Tensor<2>, flat: &Flat, parts: &[LoraGradient], scale: f32) -> Tensor<2> {
    let [inputs, outputs] = weight.dims();
    let views = parts.iter().map(|part| (part, part.view(flat)));
    match weight {
        Tensor::Cpu(weight) => {
            if let Some(frozen) = weight.as_frozen() {
                let low_rank = |(part, (a, b)): (&LoraGradient, (Tensor<2>, Tensor<2>))| LowRank {
                    a: a.cpu().clone(),
                    b: b.cpu().clone(),
                    first_output: part.first_output,
                    scale,
                };
                let adapters = Arc::new(views.map(low_rank).collect());
                return CpuTensor::frozen(Frozen { adapters, ..frozen.clone() }).into();
            }
            let mut sum = weight.values().to_vec();
            for (part, (a, b)) in views {
                let (left, rank) = (Matrix::new(a.cpu().values(), 0, part.rank, 1), part.rank);
                let right = Matrix::new(b.cpu().values(), 0, part.outputs().len(), 1);
                let out = MatrixMut::new(&mut sum, part.first_output, outputs, 1).adding();
                multiply(inputs, part.outputs().len(), rank, scale, left, right, out);
            }
            CpuTensor::new(sum, [inputs, outputs]).into()
        }
        Tensor::Gpu(weight) => {
            let sum = gpu::copy(weight);
            for (part, (a, b)) in views {
                gpu::add_low_rank(&sum, part.first_output, a.gpu(), b.gpu(), scale);
            }
            sum.into()
        }
    }
}

/// Writes the gradients of A and B into the gradient buffer, from the layer's input `x [rows, inputs]` and the
/// gradient of all of its outputs, `[rows, outputs]`. The gradient of W itself, which is as large as W, is never computed.
pub fn thin_gradient(
    x: &Tensor<2>,
    gradient: &Tensor<2>,
    flat: &Flat,
    place: &LoraGradient,
    scale: f32,
    gradients: &mut Gradients,
) {
    let gradient = &columns(gradient, place.outputs());
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
    use std::slice::from_ref;

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
        LoraGradient { a: 0..inputs * rank, b: b..b + rank * outputs, rank, first_output: 0 }
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
        let loss = |a: &Tensor<2>, b: &Tensor<2>| {
            dot(&linear(&x, &adapted(&weight, &flat(a, b), from_ref(&place), 0.7), &zero), &out)
        };
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
            let right = adapted(&weight, &flat, from_ref(&place), 0.7);
            assert_close(&adapted(&on(&weight), &on_gpu, from_ref(&place), 0.7), &right, &name("sum"));
            for passes in [1, 2] {
                let right = gradients_of(&x, &gradient, &flat, &place, passes);
                let got = gradients_of(&on(&x), &on(&gradient), &on_gpu, &place, passes);
                assert_values_close(&got[0], &right[0], &name("gradient of A"));
                assert_values_close(&got[1], &right[1], &name("gradient of B"));
            }
        }
    }

    /// Two adapters of three parts of a joint layer change their own outputs alone, on both engines.
    #[test]
    fn parts_of_a_joint_layer_have_their_own_adapters() {
        let (inputs, rank) = (6, 2);
        let first = place(inputs, 5, rank);
        let start = len(&first);
        let moved_by = |range: &Range<usize>| range.start + start..range.end + start;
        let last = place(inputs, 4, rank);
        let last = LoraGradient { a: moved_by(&last.a), b: moved_by(&last.b), rank, first_output: 8 };
        let parts = [first, last];
        let values_of_flat = values(&random([len(&parts[1])], 1));
        let (weight, x, gradient) = (random([inputs, 12], 2), random([7, inputs], 3), random([7, 12], 4));
        let flat = |device: &crate::ops::Device| Flat::new(values_of_flat.clone(), len(&parts[1]), device);
        let right = adapted(&weight, &flat(&device()), &parts, 0.7);
        let difference: Vec<f32> = values(&right).iter().zip(values(&weight)).map(|(a, b)| a - b).collect();
        for row in difference.chunks(12) {
            assert!(row[5..8].iter().all(|&value| value == 0.0) && row[..5].iter().all(|&value| value != 0.0));
        }
        let gpu = gpu_device();
        assert_close(&adapted(&moved(&weight, &gpu), &flat(&gpu), &parts, 0.7), &right, "sum");
        for (part, columns_of_part) in parts.iter().zip([0..5, 8..12]) {
            let alone = LoraGradient { first_output: 0, ..part.clone() };
            let own = columns(&gradient, columns_of_part);
            let gradients = |x: &Tensor<2>, gradient: &Tensor<2>, place: &LoraGradient| {
                let mut gradients = Gradients::new(len(&parts[1]), &[], &device_of(x));
                thin_gradient(x, gradient, &flat(&device_of(x)), place, 0.7, &mut gradients);
                gradients.end_pass();
                block_on(gradients.values()).unwrap()
            };
            let right = gradients(&x, &own, &alone);
            assert_values_close(&gradients(&x, &gradient, part), &right, "gradient of a part");
            assert_values_close(&gradients(&moved(&x, &gpu), &moved(&gradient, &gpu), part), &right, "on the GPU");
        }
    }
}
