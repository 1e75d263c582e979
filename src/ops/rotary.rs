//! Rotary positions (Su et al. 2021): each pair of numbers of a query or key is rotated by an angle that grows with the
//! token's position. Pairs are a head's numbers `i` and `i + head width / 2`, as in transformers (`rotate_half`).

use super::{CpuTensor, Device, Heads, Tensor, gpu};

/// The direction of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// Of queries and keys, in the forward pass.
    Forward,
    /// Of their gradients: the transpose, which is the inverse.
    Backward,
}

/// Cosines and sines of all positions, `[context, head width]`: of each pair's angle the cosines, then the sines.
/// `frequencies [head width / 2]`: the angle from one position to the next, in radians.
pub fn rotations(frequencies: &[f32], context: usize, device: &Device) -> Tensor<2> {
    let mut values = Vec::with_capacity(2 * frequencies.len() * context);
    for position in 0..context {
        // The product has 32 bits in transformers too, so that far positions have its angles.
        let angles = || frequencies.iter().map(|frequency| f64::from(frequency * position as f32));
        values.extend(angles().map(|angle| angle.cos() as f32));
        values.extend(angles().map(|angle| angle.sin() as f32));
    }
    super::tensor(values, [context, 2 * frequencies.len()], device)
}

/// Rotates the queries and keys of `qkv [windows * time, heads.joint() * head width]`, in place; the first token of a
/// window has the position `first`. Other tensors that share its memory on the GPU change too.
///
/// # Panics
/// When a position is outside `table`, or the heads have another width.
pub fn rotate(qkv: &mut Tensor<2>, first: usize, time: usize, heads: Heads, table: &Tensor<2>, way: Rotation) {
    let ([_, joint], [context, head_width]) = (qkv.dims(), table.dims());
    assert!(first + time <= context, "{time} tokens from {first} on, of {context}");
    assert_eq!(joint, heads.joint() * head_width, "a table for another head width");
    match qkv {
        Tensor::Cpu(qkv) => on_cpu(qkv, first, time, heads, table.cpu(), way),
        Tensor::Gpu(qkv) => gpu::rotate(qkv, first, time, heads, table.gpu(), way),
    }
}

fn on_cpu(qkv: &mut CpuTensor<2>, first: usize, time: usize, heads: Heads, table: &CpuTensor<2>, way: Rotation) {
    let ([_, joint], [_, head_width]) = (qkv.dims(), table.dims());
    let half = head_width / 2;
    let sign = if way == Rotation::Forward { 1.0 } else { -1.0 };
    let rotated = (heads.queries + heads.key_values) * head_width;
    for (row, qkv) in qkv.values_mut().chunks_exact_mut(joint).enumerate() {
        let position = first + row % time;
        let (cosines, sines) = table.values()[position * head_width..][..head_width].split_at(half);
        for head in qkv[..rotated].chunks_exact_mut(head_width) {
            let (left, right) = head.split_at_mut(half);
            for (((left, right), cosine), sine) in left.iter_mut().zip(right).zip(cosines).zip(sines) {
                let (x, y, sine) = (*left, *right, sign * sine);
                *left = x * cosine - y * sine;
                *right = y * cosine + x * sine;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Rope,
        ops::testing::{assert_close, assert_gradient, device, dot, gpu_device, moved, random, values},
    };

    fn rotated(qkv: &Tensor<2>, time: usize, heads: Heads, table: &Tensor<2>, way: Rotation) -> Tensor<2> {
        let mut copy = crate::ops::copy(qkv);
        rotate(&mut copy, 0, time, heads, table, way);
        copy
    }

    #[test]
    fn a_rotation_backward_is_its_transpose() {
        let heads = Heads { queries: 4, key_values: 2 };
        let table = rotations(&Rope::DEFAULT.frequencies(6), 5, &device());
        let (qkv, out) = (random([10, 8 * 6], 1), random([10, 8 * 6], 2));
        let gradient = rotated(&out, 5, heads, &table, Rotation::Backward);
        assert_gradient(&qkv, &values(&gradient), |qkv| dot(&rotated(qkv, 5, heads, &table, Rotation::Forward), &out));
        let there_and_back =
            rotated(&rotated(&qkv, 5, heads, &table, Rotation::Forward), 5, heads, &table, Rotation::Backward);
        assert_close(&there_and_back, &qkv, "there and back");
    }

    #[test]
    fn a_token_alone_is_rotated_as_in_its_window() {
        let heads = Heads::equal(1);
        let table = rotations(&Rope::DEFAULT.frequencies(4), 6, &device());
        let qkv = random([6, 12], 3);
        let whole = values(&rotated(&qkv, 6, heads, &table, Rotation::Forward));
        for device in [device(), gpu_device()] {
            let mut alone = crate::ops::tensor(values(&qkv)[48..60].to_vec(), [1, 12], &device);
            rotate(&mut alone, 4, 1, heads, &moved(&table, &device), Rotation::Forward);
            assert_close(&alone, &crate::ops::tensor(whole[48..60].to_vec(), [1, 12], &device), "the fifth token");
        }
    }

    #[test]
    fn the_gpu_agrees_with_the_cpu() {
        let gpu = gpu_device();
        for (queries, key_values, head_width, windows, time) in [(4, 2, 6, 3, 5), (3, 3, 64, 2, 70), (9, 3, 16, 1, 1)] {
            let heads = Heads { queries, key_values };
            let table = rotations(&Rope::DEFAULT.frequencies(head_width), time, &device());
            let qkv = random([windows * time, heads.joint() * head_width], 1);
            for way in [Rotation::Forward, Rotation::Backward] {
                let right = rotated(&qkv, time, heads, &table, way);
                let got = rotated(&moved(&qkv, &gpu), time, heads, &moved(&table, &gpu), way);
                assert_close(&got, &right, &format!("{way:?} of {heads:?} x {head_width}"));
            }
        }
    }
}
