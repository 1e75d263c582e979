//! Fuzzes every file reader with randomly damaged files. A reader may refuse a file with an error; it must not panic,
//! hang, or allocate much more memory than the file's size.
//!
//! - `random.rs`: random numbers, and random damage
//! - `targets.rs`: the readers, and the intact files that are damaged
//! - `native.rs`: the test, for some seconds in `cargo xtask test` and for any time in `cargo xtask fuzz`
//!
//! tests/browser/operations compiles the same targets to WebAssembly, where sizes have 32 bits.

pub mod random;
pub mod targets;

#[cfg(test)]
mod native;
