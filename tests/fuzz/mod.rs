//! Every reader of what a person may bring, on files that are broken at random. A reader may refuse a file with an error;
//! it must not panic, hang, or ask for much more memory than the file has bytes.
//!
//! - `random.rs`: random numbers, and how they break a file
//! - `targets.rs`: the readers and the whole files that the broken ones are made of
//! - `native.rs`: the test, for some seconds in `cargo xtask test` and for as long as one likes in `cargo xtask fuzz`
//!
//! tests/browser/operations compiles the same targets to WebAssembly, where sizes have 32 bits.

pub mod random;
pub mod targets;

#[cfg(test)]
mod native;
