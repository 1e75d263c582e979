//! The operations (kernels): forward and backward, for CPU and GPU. One file holds one operation: its forward pass, its
//! backward pass written by hand, and the tests that compare the two with finite differences and the engines with one
//! another.
//!
//! Every operation has two implementations: one for the CPU, over slices in ordinary memory ([`tensor`]), and kernels
//! for the GPU (`gpu/`). `model/` calls the functions of this module and is independent of the engine.
//!
//! All operations panic on tensors of two different engines. A gradient is written to a slot in the gradient buffer
//! ([`Gradients`]): the first pass of a step overwrites the slot, further passes add to it.

mod activation;
mod adamw;
mod adapter;
mod attention;
mod columns;
mod device;
mod dropout;
mod embedding;
mod exponential;
mod flat;
mod gate;
mod gpu;
mod gradients;
pub mod head;
mod head_norm;
mod linear;
mod norm;
mod packed;
mod precision;
mod product;
mod read;
mod rotary;
mod scalars;
mod slope;
mod speed;
mod tensor;
mod upload;

pub use adamw::{AdamW, Decay, Moments};
pub use adapter::{LoraGradient, adapted, thin_gradient};
pub use attention::{AttentionSaved, Heads, Past, attention, attention_backward};
pub use device::Device;
pub use dropout::{Dropout, Mask};
pub use embedding::{drop_out, embed, embed_backward, last_row};
pub use flat::{Flat, Segments};
pub use gate::{gate, gate_backward};
pub use gpu::{AttentionKernels, Choice as KernelChoice, Failure as KernelFailure, Gpu, Integers, LONG_ROW};
pub use gradients::{Gradients, LinearGradient, NormGradient};
pub use head_norm::{copy, norm_heads, norm_heads_backward};
pub use linear::{
    input_gradient, input_gradient_through_activation, linear, linear_activated, linear_residual, weight_gradient,
};
pub use norm::{NormSaved, norm, norm_backward};
pub use packed::{BLOCK, Form, Packed, frozen};
pub use precision::Precision;
pub use read::{ReadFailed, read};
pub use rotary::{Rotation, rotate, rotations};
pub use scalars::{Scalar, Scalars};
pub use speed::{small_kernel, speed};
pub use tensor::{CpuTensor, Tensor, tensor};
pub use upload::Upload;

/// The target of a token whose prediction does not count.
pub const IGNORED: i32 = -1;

#[cfg(test)]
pub(crate) mod testing;
