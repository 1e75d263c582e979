//! GPU kernels in CubeCL, which compiles them to WGSL. They run in the browser and, for their tests, on any Vulkan
//! driver.

mod adamw;
mod adapter;
mod attention;
mod block;
mod choice;
mod elementwise;
mod embedding;
mod engine;
mod epilogue;
mod failure;
mod head;
mod linear;
mod losses;
mod measure;
mod measure_rows;
mod memory;
mod norm;
mod product;
mod queue;
mod random;
mod rows;
mod slices;
mod tiles;

pub use adamw::{DECAY_STEP, Part as AdamWPart, Update, adamw};
pub use adapter::{adapted, thin_gradient_into};
pub use attention::{Sizes as AttentionSizes, attention, attention_backward};
#[cfg(test)]
pub use choice::{ATTENTIONS, KERNELS, Kernel, ROWS};
pub use choice::{AttentionKernels, Choice};
pub use elementwise::{add_into, fill, halve, scale_into};
pub use embedding::{drop_out, embed, embed_backward_into, last_row};
pub use engine::Gpu;
pub use failure::Failure;
pub use head::{hidden_gradient, logits, token_gradient};
pub use linear::{
    input_gradient, input_gradient_through_activation, linear_activated, linear_into, linear_residual,
    weight_gradient_into,
};
pub use losses::{LONG_ROW, losses, row_losses, sum_into};
#[cfg(test)]
pub use memory::is_half;
pub use memory::{Integers, Tensor, empty, empty_of, piece, read, tensor};
pub use norm::{NormGradients, layer_norm, layer_norm_input_gradient};
