//! Reads JSON from its text in one pass, without a tree: of a file of hundreds of megabytes only a few members are
//! needed, and a tree takes tens of times the memory of the text.
//!
//! All functions but [`check`] and [`mend`] expect valid texts. For any other text they return some result and never
//! panic.

mod check;
mod mend;
mod scan;
mod text;

pub use check::{Invalid, check, check_all};
pub use mend::mend;
pub use scan::{Event, Scanner, elements, members, values};
pub use text::{parts, pieces, read_string, string, text_of};
