//! Bodies for the GPU, in CubeCL, which makes WGSL of them. Only built for the browser: natively there is no GPU engine.

mod attention;
mod product;

pub use attention::AttentionSizes;
pub use product::{Piece, Side, Sizes, is_plain, multiply, serves};
