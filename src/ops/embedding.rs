//! Token embedding, and position embedding where a model has one.

use std::ops::Range;

use super::{CpuTensor, Gradients, Mask, Tensor, gpu};
use crate::model::Ids;

/// Adds up each id's token embedding and position embedding, if there is one, with dropout: `tokens [vocabulary, width]`,
/// in segments of rows, and `positions [context, width]` -> `[windows * time, width]`. The windows' first token has the
/// position `start`.
///
/// # Panics
/// For ids outside the vocabulary, and for windows that end beyond the context: the GPU would read past the end of a
/// buffer.
pub fn embed(
    ids: &Ids,
    tokens: &[Tensor<2>],
    positions: Option<&Tensor<2>>,
    start: usize,
    mask: Option<Mask>,
) -> Tensor<2> {
    let vocabulary = tokens.iter().map(|piece| piece.dims()[0]).sum();
    assert!(ids.vocabulary() <= vocabulary, "ids of {} tokens for {vocabulary}", ids.vocabulary());
    let [_, width] = tokens[0].dims();
    if let Some(positions) = positions {
        let [context, positions_width] = positions.dims();
        assert!(start + ids.time() <= context, "{} tokens from {start} on, of {context}", ids.time());
        assert_eq!(positions_width, width, "positions of another width");
    }
    if let Tensor::Gpu(first) = &tokens[0] {
        let tokens: Vec<_> = tokens.iter().map(|piece| piece.gpu().clone()).collect();
        let numbers = gpu::Integers::of_ids(ids.as_slice(), first.gpu());
        return gpu::embed(&numbers, &tokens, positions.map(Tensor::gpu), ids.time(), start, mask).into();
    }
    let positions = positions.map(|positions| positions.cpu().values());
    let pieces: Vec<_> = tokens.iter().map(|piece| (piece.dims()[0], piece.cpu())).collect();
    let row_of = |row: usize| row * width..(row + 1) * width;
    let mut out = Vec::with_capacity(ids.as_slice().len() * width);
    for (row, &id) in ids.as_slice().iter().enumerate() {
        let (mut piece, mut id) = (0, id as usize);
        while id >= pieces[piece].0 {
            id -= pieces[piece].0;
            piece += 1;
        }
        pieces[piece].1.append_row(id, &mut out);
        if let Some(positions) = positions {
            let position = &positions[row_of(start + row % ids.time())];
            out[row_of(row)].iter_mut().zip(position).for_each(|(token, position)| *token += position);
        }
    }
    if let Some(mask) = mask {
        mask.apply(&mut out, 0);
    }
    CpuTensor::new(out, [ids.as_slice().len(), width]).into()
}

/// Applies dropout to `x [rows, width]`; returns `x` unchanged without a mask.
pub fn drop_out(x: &Tensor<2>, mask: Option<Mask>) -> Tensor<2> {
    let Some(mask) = mask else { return x.clone() };
    match x {
        Tensor::Cpu(x) => {
            let mut values = x.values().to_vec();
            mask.apply(&mut values, 0);
            CpuTensor::new(values, x.dims()).into()
        }
        Tensor::Gpu(x) => gpu::drop_out(x, mask).into(),
    }
}

/// Copies the last row of `x [rows, width]`, as `[1, width]`.
pub fn last_row(x: &Tensor<2>) -> Tensor<2> {
    match x {
        Tensor::Cpu(x) => {
            let (values, width) = (x.values(), x.dims()[1]);
            CpuTensor::new(values[values.len() - width..].to_vec(), [1, width]).into()
        }
        Tensor::Gpu(x) => gpu::last_row(x).into(),
    }
}

/// Writes the gradients of the token embedding, at the beginning of the gradient buffer, and of the position embedding,
/// at `positions`, if there is one. `gradient [windows * time, width]` is that of [`embed`]'s output before dropout. If the head is
/// `tied`, the buffer already holds its gradient of the same matrix, and the embedding's is added to it.
///
/// # Panics
/// When the number of rows of the gradient differs from the number of ids, or ids are outside the vocabulary, or
/// windows are longer than the context.
pub fn embed_backward(
    ids: &Ids,
    gradient: &Tensor<2>,
    (vocabulary, tied): (usize, bool),
    positions: Option<&Range<usize>>,
    gradients: &mut Gradients,
) {
    let [rows, width] = gradient.dims();
    let adding = gradients.adding;
    assert!(rows == ids.as_slice().len() && ids.vocabulary() <= vocabulary, "the gradient of other ids");
    let short = positions.is_none_or(|positions| ids.time() * width <= positions.len());
    assert!(short, "windows longer than the context");
    let gradient = match gradient {
        Tensor::Cpu(gradient) => gradient,
        Tensor::Gpu(gradient) => {
            let tokens = gradients.gpu_rows(0, [vocabulary, width]);
            if !tied && !adding {
                tokens.iter().for_each(|tokens| gpu::fill(tokens, 0.0));
            }
            let positions = positions.map(|positions| {
                let positions = gradients.gpu(positions.start, [positions.len() / width, width]);
                // Zeros for positions beyond the length of these windows.
                if ids.time() < positions.dims()[0] && !adding {
                    gpu::fill(&positions, 0.0);
                }
                positions
            });
            return gpu::embed_backward_into(ids.as_slice(), gradient, ids.time(), &tokens, positions.as_ref(), adding);
        }
    };
    let add = |sum: &mut [f32], row: &[f32]| sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
    let tokens = gradients.cpu(&(0..vocabulary * width));
    if !tied && !adding {
        tokens.fill(0.0);
    }
    for (row, &id) in gradient.values().chunks_exact(width).zip(ids.as_slice()) {
        add(&mut tokens[id as usize * width..][..width], row);
    }
    let Some(positions) = positions else { return };
    let held = gradients.cpu(positions);
    if !adding {
        held.fill(0.0);
    }
    for window in gradient.values().chunks_exact(ids.time() * width) {
        add(held, window);
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use futures_lite::future::block_on;

    use super::*;
    use crate::ops::{
        Dropout,
        testing::{assert_close, assert_gradient, assert_values_close, device_of, dot, gpu_device, moved, random},
    };

    /// Gradients of tokens and positions after `passes` passes, where only the embedding writes the tokens' gradient.
    fn gradients_of(
        ids: &Ids,
        gradient: &Tensor<2>,
        (vocabulary, tied): (usize, bool),
        context: usize,
        passes: usize,
    ) -> [Vec<f32>; 2] {
        let width = gradient.dims()[1];
        let start = (vocabulary * width).next_multiple_of(64);
        let positions = start..start + context * width;
        let mut gradients = Gradients::new(positions.end.next_multiple_of(64), &[], &device_of(gradient));
        let place = (context > 0).then_some(&positions);
        for _ in 0..passes {
            embed_backward(ids, gradient, (vocabulary, tied), place, &mut gradients);
            gradients.end_pass();
        }
        let flat = block_on(gradients.values()).unwrap();
        [flat[..vocabulary * width].to_vec(), flat[positions].to_vec()]
    }

    #[test]
    fn gradients_match_finite_differences() {
        let ids = Ids::new(vec![1, 4, 1, 0, 2, 1], 2, 5).unwrap();
        let (tokens, positions, out) = (random([5, 4], 1), random([3, 4], 2), random([6, 4], 3));
        for mask in [None, Dropout::new(0.3, 4).map(|dropout| dropout.mask(0))] {
            let [by_token, by_position] = gradients_of(&ids, &drop_out(&out, mask), (5, true), 3, 1);
            let run = |tokens: &Tensor<2>, positions: &Tensor<2>| {
                dot(&embed(&ids, from_ref(tokens), Some(positions), 0, mask), &out)
            };
            assert_gradient(&tokens, &by_token, |tokens| run(tokens, &positions));
            assert_gradient(&positions, &by_position, |positions| run(&tokens, positions));
        }
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        let gpu = gpu_device();
        for (seed, [windows, time, width, vocabulary, context]) in
            [[2, 5, 8, 7, 5], [3, 7, 6, 30, 12], [1, 1, 3, 2, 4]].into_iter().enumerate()
        {
            let numbers: Vec<u32> = (0..windows * time).map(|at| ((at * 5 + 2) % 9 % vocabulary) as u32).collect();
            let ids = Ids::new(numbers, windows, vocabulary).unwrap();
            let seed = seed as u64 * 10;
            let (tokens, positions) = (random([vocabulary, width], seed), random([context, width], seed + 1));
            let out = random([windows * time, width], seed + 2);
            let mask = Dropout::new(0.3, seed).map(|dropout| dropout.mask(0));
            let (gtokens, gpositions) = (moved(&tokens, &gpu), moved(&positions, &gpu));
            let name = |what: &str| format!("{what} of {windows} x {time} x {width} x {vocabulary}");
            for (start, mask) in [(0, None), (context - time, mask)] {
                let right = embed(&ids, from_ref(&tokens), Some(&positions), start, mask);
                let got = embed(&ids, from_ref(&gtokens), Some(&gpositions), start, mask);
                assert_close(&got, &right, &name("embedding"));
            }
            let (right, got) =
                (embed(&ids, from_ref(&tokens), None, 0, mask), embed(&ids, from_ref(&gtokens), None, 0, mask));
            assert_close(&got, &right, &name("embedding without positions"));
            let (right, got) =
                [&out, &moved(&out, &gpu)].map(|out| gradients_of(&ids, out, (vocabulary, false), 0, 2)).into();
            assert_values_close(&got[0], &right[0], &name("token gradient without positions"));
            assert_close(&drop_out(&moved(&out, &gpu), mask), &drop_out(&out, mask), &name("dropout"));
            assert_close(&last_row(&moved(&out, &gpu)), &last_row(&out), &name("last row"));
            for (passes, tied) in [(1, true), (2, true), (1, false), (2, false)] {
                let right = gradients_of(&ids, &out, (vocabulary, tied), context, passes);
                let got = gradients_of(&ids, &moved(&out, &gpu), (vocabulary, tied), context, passes);
                assert_values_close(&got[0], &right[0], &name("token gradient"));
                assert_values_close(&got[1], &right[1], &name("position gradient"));
            }
        }
    }
}
