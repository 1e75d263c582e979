//! The language-model head on the GPU: logits, and the gradients of their factors; `losses.rs` is between them.
//!
//! A row of logits is padded to a multiple of four for vectorised loads; the gradient is 0 in the padding.

use super::{
    block::Form,
    memory::{Tensor, empty, piece},
    product::product,
};

/// The segments of a matrix's rows, with the index of each one's first row.
fn numbered(pieces: &[Tensor<2>]) -> impl Iterator<Item = (usize, &Tensor<2>)> {
    pieces.iter().scan(0, |next, piece| {
        let first = *next;
        *next += piece.dims()[0];
        Some((first, piece))
    })
}

/// A view of the logits from column `first` on, with the same row stride.
fn columns_from(logits: &Tensor<2>, first: usize) -> Tensor<1> {
    piece(logits, first, [logits.dims().iter().product::<usize>() - first])
}

/// Returns `hidden [rows, width] x tokens [vocabulary, width]` transposed, `[rows, vocabulary]`, with `padded` rows to
/// a multiple of a load. `tokens`: in segments of rows, all but the last of multiples of 64.
pub fn logits(hidden: &Tensor<2>, tokens: &[Tensor<2>], padded: bool) -> Tensor<2> {
    let [rows, width] = hidden.dims();
    assert!(tokens.iter().all(|piece| piece.dims()[1] == width), "a table of tokens of another width");
    let vocabulary = tokens.iter().map(|piece| piece.dims()[0]).sum::<usize>();
    let length = if padded { vocabulary.next_multiple_of(4) } else { vocabulary };
    let out = empty([rows, length], hidden.gpu());
    for (first, tokens) in numbered(tokens) {
        let (sizes, lengths) = ([rows, tokens.dims()[0], width], [width, width, length]);
        product(Form::RightTransposed, hidden, tokens, &columns_from(&out, first), sizes, lengths, false);
    }
    out
}

/// Writes the gradient of the hidden states, `[rows, width]`, from that of the logits.
pub fn hidden_gradient(logits: &Tensor<2>, tokens: &[Tensor<2>], out: &Tensor<2>) {
    let [rows, length] = logits.dims();
    for (first, tokens) in numbered(tokens) {
        let [vocabulary, width] = tokens.dims();
        let left = columns_from(logits, first);
        product(Form::Straight, &left, tokens, out, [rows, width, vocabulary], [length, width, width], first > 0);
    }
}

/// Writes the gradient of the tokens, `[vocabulary, width]`, in segments of rows, from that of the logits, or adds it.
pub fn token_gradient(logits: &Tensor<2>, hidden: &Tensor<2>, out: &[Tensor<2>], adding: bool) {
    let [rows, length] = logits.dims();
    for (first, out) in numbered(out) {
        let [vocabulary, width] = out.dims();
        let left = columns_from(logits, first);
        product(Form::LeftTransposed, &left, hidden, out, [vocabulary, width, rows], [length, width, width], adding);
    }
}
