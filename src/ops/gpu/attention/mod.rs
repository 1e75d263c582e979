//! Causal attention on the GPU without a stored matrix of attention weights (FlashAttention, Dao et al. 2022). Queries,
//! keys and values are read from one tensor, `[windows * time, (heads + 2 * key-value heads) * head width]`.
//!
//! There are two sets of kernels: `rows` need no workgroup memory, `tiles` few registers. Which is faster on a GPU is
//! measured on it (`measure.rs`).

mod cached;
mod measure;
mod rows;
#[cfg(test)]
mod tests;
mod tiles;

pub use cached::{append, attention_cached};
pub(super) use measure::{fastest, warm_up};

use super::{
    choice::AttentionKernels,
    memory::{Tensor, fit},
};
use crate::ops::{Precision, dropout::Mask};

/// Sizes of an attention: `qkv` is `[windows * time, (heads + 2 * key_value_heads) * head_width]`, all heads' queries,
/// then keys, then values. Query head `h` reads key-value head `h / (heads / key_value_heads)`.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub windows: usize,
    pub time: usize,
    pub heads: usize,
    pub key_value_heads: usize,
    pub head_width: usize,
}

impl Sizes {
    /// The kernels for these sizes, of those chosen.
    fn kernels(self, chosen: AttentionKernels) -> AttentionKernels {
        if tiles::fits(self.head_width) { chosen } else { AttentionKernels::Rows }
    }
}

/// Slowdown of an operation here compared with a matrix product, measured on SwiftShader.
const SLOWER: f64 = 2.0;

/// The cost of `products` products of `queries` of each window with the keys before them, in floating-point operations
/// of a matrix product.
fn operations(sizes: Sizes, queries: usize, products: f64) -> f64 {
    let Sizes { windows, time, heads, head_width, .. } = sizes;
    SLOWER * products * (windows * heads * head_width) as f64 * (queries * time) as f64
}

fn scale(sizes: Sizes) -> f32 {
    1.0 / (sizes.head_width as f32).sqrt()
}

/// The output, `[windows * time, width]`, and the logarithms of the rows' sums, `[windows, heads, time]`.
pub fn attention(qkv: &Tensor<2>, sizes: Sizes, mask: Option<Mask>, precision: Precision) -> (Tensor<2>, Tensor<3>) {
    let Sizes { windows, time, heads, key_value_heads, head_width } = sizes;
    let [rows, columns] = qkv.dims();
    let fits = heads.is_multiple_of(key_value_heads) && (heads + 2 * key_value_heads) * head_width == columns;
    assert!(fits && windows * time <= rows, "{sizes:?} of {rows} rows of {columns}");
    match sizes.kernels(qkv.gpu().kernels_in_use().attention) {
        AttentionKernels::Rows => rows::attention(qkv, sizes, mask, precision),
        AttentionKernels::Tiles => tiles::attention(qkv, sizes, mask, precision),
    }
}

/// The gradient of `qkv`, from the results of the forward pass and the gradient of its output,
/// `[windows * time, width]`.
pub fn attention_backward(
    qkv: &Tensor<2>,
    output: &Tensor<2>,
    sums: &Tensor<3>,
    gradient: &Tensor<2>,
    sizes: Sizes,
    mask: Option<Mask>,
) -> Tensor<2> {
    let Sizes { windows, time, heads, head_width, .. } = sizes;
    fit(&[(gradient.dims()[0], windows * time), (gradient.dims()[1], heads * head_width)]);
    match sizes.kernels(qkv.gpu().kernels_in_use().attention) {
        AttentionKernels::Rows => rows::attention_backward(qkv, output, sums, gradient, sizes, mask),
        AttentionKernels::Tiles => tiles::attention_backward(qkv, output, sums, gradient, sizes, mask),
    }
}
