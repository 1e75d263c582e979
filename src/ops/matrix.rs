//! Products of whole matrices, in the three ways a linear layer needs them.

use burn::tensor::Tensor;

#[cfg(target_arch = "wasm32")]
use super::gpu::{Piece, Side, Sizes, is_plain, multiply, serves};

/// `left [rows, inner] x right [inner, columns]`
pub fn product(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    #[cfg(target_arch = "wasm32")]
    {
        let ([rows, inner], [_, columns]) = (left.dims(), right.dims());
        let sides = (Side::Straight, Side::Straight);
        if let Some(out) = on_gpu([rows, columns, inner], &left, &right, sides) {
            return out;
        }
    }
    left.matmul(right)
}

/// `left [rows, inner] x right [columns, inner]`, the right one transposed
pub fn product_right_transposed(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    #[cfg(target_arch = "wasm32")]
    {
        let ([rows, inner], [columns, _]) = (left.dims(), right.dims());
        let sides = (Side::Straight, Side::Transposed);
        if let Some(out) = on_gpu([rows, columns, inner], &left, &right, sides) {
            return out;
        }
    }
    left.matmul(right.transpose())
}

/// `left [inner, rows] x right [inner, columns]`, the left one transposed
pub fn product_left_transposed(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    #[cfg(target_arch = "wasm32")]
    {
        let ([inner, rows], [_, columns]) = (left.dims(), right.dims());
        let sides = (Side::Transposed, Side::Straight);
        if let Some(out) = on_gpu([rows, columns, inner], &left, &right, sides) {
            return out;
        }
    }
    left.transpose().matmul(right)
}

/// The product by our own kernel, where there is a GPU and the kernel serves these shapes.
#[cfg(target_arch = "wasm32")]
fn on_gpu(
    [rows, columns, inner]: [usize; 3],
    left: &Tensor<2>,
    right: &Tensor<2>,
    sides: (Side, Side),
) -> Option<Tensor<2>> {
    let device = left.device();
    if super::on_host(&device) || !is_plain(left) || !is_plain(right) {
        return None;
    }
    let piece = |tensor: &Tensor<2>| Piece { stride: tensor.dims()[1], ..Piece::default() };
    let sizes = Sizes { rows, columns, inner, windows: 1, heads: 1 };
    let (left_piece, right_piece) = (piece(left), piece(right));
    if !serves(sizes, (left_piece, sides.0), (right_piece, sides.1)) {
        return None;
    }
    let out = Tensor::<2>::empty([rows, columns], &device);
    if !is_plain(&out) {
        return None;
    }
    let out_piece = Piece { stride: columns, ..Piece::default() };
    multiply(sizes, 1.0, (left, left_piece, sides.0), (right, right_piece, sides.1), (&out, out_piece));
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{random, values};

    #[test]
    fn the_three_ways_are_one_product() {
        let (left, right) = (random([3, 5], 1), random([5, 4], 2));
        let expected = values(&product(left.clone(), right.clone()));
        let transposed = |x: &Tensor<2>| {
            let [rows, columns] = x.dims();
            x.clone().transpose().reshape([columns, rows])
        };
        let right_transposed = product_right_transposed(left.clone(), transposed(&right));
        let left_transposed = product_left_transposed(transposed(&left), right);
        for (other, name) in [(right_transposed, "right"), (left_transposed, "left")] {
            for (a, b) in values(&other).iter().zip(&expected) {
                assert!((a - b).abs() < 1e-6, "{name}: {a} {b}");
            }
        }
    }
}
