//! The matrix products inside attention, each for all windows and heads at once, straight from and into the tensors
//! where queries, keys and values lie side by side: no head is ever copied out.

use burn::tensor::Tensor;

use super::product::{Piece, Side, Sizes, is_plain, multiply, serves};

/// Sizes of an attention: `qkv` is `[windows * time, 3 * heads * head_width]`.
#[derive(Clone, Copy)]
pub struct AttentionSizes {
    pub windows: usize,
    pub time: usize,
    pub heads: usize,
    pub head_width: usize,
}

impl AttentionSizes {
    fn width(self) -> usize {
        self.heads * self.head_width
    }

    /// Query, key or value (`part` 0, 1 or 2) in a tensor of `parts` of them side by side.
    fn part(self, part: usize, parts: usize) -> Piece {
        let stride = parts * self.width();
        Piece { start: part * self.width(), stride, window: self.time * stride, head: self.head_width }
    }

    /// `[windows, heads, time, time]`
    fn square(self) -> Piece {
        let head = self.time * self.time;
        Piece { start: 0, stride: self.time, window: self.heads * head, head }
    }

    fn sizes(self, columns: usize, inner: usize) -> Sizes {
        Sizes { rows: self.time, columns, inner, windows: self.windows, heads: self.heads }
    }

    /// Whether the kernel serves every product of this attention.
    pub fn served(self, qkv: &Tensor<2>) -> bool {
        let Self { time, head_width, .. } = self;
        let (part, square) = (self.part(0, 3), self.square());
        is_plain(qkv)
            && serves(self.sizes(time, head_width), (part, Side::Straight), (part, Side::Transposed))
            && serves(self.sizes(head_width, time), (square, Side::Straight), (part, Side::Straight))
            && serves(self.sizes(head_width, time), (square, Side::Transposed), (part, Side::Straight))
    }

    /// `scale * query x key transposed`, `[windows, heads, time, time]`
    pub fn scores(self, qkv: &Tensor<2>, scale: f32) -> Tensor<4> {
        let (query, key) = ((qkv, self.part(0, 3), Side::Straight), (qkv, self.part(1, 3), Side::Transposed));
        self.into_square(scale, query, key)
    }

    /// `weights x value`, heads side by side: `[windows * time, width]`
    pub fn weighted(self, weights: &Tensor<4>, qkv: &Tensor<2>) -> Tensor<2> {
        let out = Tensor::empty([self.windows * self.time, self.width()], &qkv.device());
        let (weights, value) = ((weights, self.square(), Side::Straight), (qkv, self.part(2, 3), Side::Straight));
        multiply(self.sizes(self.head_width, self.time), 1.0, weights, value, (&out, self.part(0, 1)));
        out
    }

    /// `gradient of the output x value transposed`, `[windows, heads, time, time]`
    pub fn weights_gradient(self, gradient: &Tensor<2>, qkv: &Tensor<2>) -> Tensor<4> {
        let (dy, value) = ((gradient, self.part(0, 1), Side::Straight), (qkv, self.part(2, 3), Side::Transposed));
        self.into_square(1.0, dy, value)
    }

    /// The gradient of `qkv`, from the weights after dropout, the gradients of the scores and of the output.
    pub fn qkv_gradient(
        self,
        weights: &Tensor<4>,
        scores: &Tensor<4>,
        gradient: &Tensor<2>,
        qkv: &Tensor<2>,
        scale: f32,
    ) -> Tensor<2> {
        let out = Tensor::<2>::empty([self.windows * self.time, 3 * self.width()], &qkv.device());
        let sizes = self.sizes(self.head_width, self.time);
        let square = self.square();
        let part = |part| (qkv, self.part(part, 3), Side::Straight);
        multiply(sizes, scale, (scores, square, Side::Straight), part(1), (&out, self.part(0, 3)));
        multiply(sizes, scale, (scores, square, Side::Transposed), part(0), (&out, self.part(1, 3)));
        let dy = (gradient, self.part(0, 1), Side::Straight);
        multiply(sizes, 1.0, (weights, square, Side::Transposed), dy, (&out, self.part(2, 3)));
        out
    }

    fn into_square(self, scale: f32, left: (&Tensor<2>, Piece, Side), right: (&Tensor<2>, Piece, Side)) -> Tensor<4> {
        let Self { windows, time, heads, head_width } = self;
        let out = Tensor::empty([windows, heads, time, time], &left.0.device());
        multiply(self.sizes(time, head_width), scale, left, right, (&out, self.square()));
        out
    }
}
