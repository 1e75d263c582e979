//! What the engine really runs. One file holds one operation: its forward pass, its backward pass written by hand,
//! and the tests that compare the two with finite differences and the engines with one another.
//!
//! Every operation has a reference body of plain Burn operations, right on every device, and, where it pays, a fused
//! body for Flex's tensors ([`host`]) and kernels for the GPU (`gpu/`). `model/` calls the functions of this
//! module and never asks which body ran.

mod adamw;
mod attention;
mod cross_entropy;
mod dropout;
mod embedding;
mod exponential;
mod gelu;
#[cfg(target_arch = "wasm32")]
mod gpu;
mod host;
mod layer_norm;
mod linear;
mod matrix;
mod product;

pub use adamw::{AdamW, Decay, Moments};
pub use attention::{AttentionInputs, AttentionSaved, attend, attention, attention_backward};
pub use cross_entropy::{cross_entropy, cross_entropy_with_gradient};
pub use dropout::Dropout;
pub use embedding::{embed, embed_backward};
pub use gelu::{gelu, gelu_backward};
pub use host::{host, host_mut, on_host, tensor};
pub use layer_norm::{LayerNormSaved, layer_norm, layer_norm_backward};
pub use linear::{linear, linear_backward};
pub use matrix::{product, product_left_transposed, product_right_transposed};

#[cfg(test)]
pub(crate) mod testing;
