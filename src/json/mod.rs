//! JSON read from its text, in one pass and without a tree of it: a file of hundreds of megabytes is looked at for what few
//! members say, and a tree takes tens of times the text.
//!
//! Everything here but [`check`] and [`mend`] is for texts that are known to be valid. Of any other text it gives something,
//! and never panics.

mod check;
mod mend;
mod scan;
mod text;

pub use check::{Invalid, check, check_all};
pub use mend::mend;
pub use scan::{Event, Scanner, elements, members, values};
pub use text::{parts, pieces, read_string, string, text_of};
