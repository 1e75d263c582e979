//! GPU kernels in CubeCL, which compiles them to WGSL. They run in the browser and, for their tests, on any Vulkan
//! driver.

mod adamw;
mod adapter;
mod attention;
mod block;
mod choice;
mod columns;
mod elementwise;
mod embedding;
mod engine;
mod epilogue;
mod failure;
mod gate;
mod head;
mod head_norm;
mod linear;
mod losses;
mod measure;
mod measure_rows;
mod memory;
mod norm;
mod product;
mod queue;
mod random;
mod rotary;
mod rows;
mod slices;
mod tiles;

pub use adamw::{DECAY_STEP, Part as AdamWPart, Update, adamw};
pub use adapter::{add_low_rank, copy, thin_gradient_into};
pub use attention::{Sizes as AttentionSizes, append, attention, attention_backward, attention_cached};
#[cfg(test)]
pub use choice::{ATTENTIONS, KERNELS, Kernel, ROWS};
pub use choice::{AttentionKernels, Choice};
pub use columns::{columns, write_columns};
pub use elementwise::{add_into, fill, halve, scale_into};
pub use embedding::{drop_out, embed, embed_backward_into, last_row};
pub use engine::Gpu;
pub use failure::Failure;
pub use gate::{gate, gate_backward};
pub use head::{hidden_gradient, logits, token_gradient};
pub use head_norm::{norm_heads, norm_heads_backward};
pub use linear::{
    input_gradient, input_gradient_through_activation, linear, linear_activated, linear_residual, weight_gradient_into,
};
pub use losses::{LONG_ROW, losses, row_losses, sum_into};
#[cfg(test)]
pub use memory::is_half;
pub use memory::{Integers, Tensor, empty, empty_of, piece, read, tensor};
pub use norm::{NormGradients, norm, norm_input_gradient};
pub use rotary::rotate;
