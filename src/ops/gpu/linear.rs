//! Linear layers on the GPU: matrix products whose epilogues apply the model's next operation.

use super::{
    block::Form,
    memory::{Tensor, buffer, empty, empty_like, fit, is_half},
    product::{End, Product, product},
};
use crate::{config::Activation, ops::dropout::Mask};

/// `x [rows, inputs] x weight [inputs, outputs] + bias [outputs]`, `[rows, outputs]`.
pub fn linear(x: &Tensor<2>, weight: &Tensor<2>, bias: &Tensor<1>) -> Tensor<2> {
    let sizes @ [rows, columns, inner] = [x.dims()[0], weight.dims()[1], x.dims()[1]];
    fit(&[(inner, weight.dims()[0]), (bias.dims()[0], columns)]);
    let out = empty([rows, columns], x.gpu());
    Product::new(Form::Straight, sizes, [inner, columns])
        .queue(x, weight, || End::Bias { bias: buffer(bias), out: buffer(&out) });
    out
}

/// The layer before the activation and after it, `[rows, outputs]` each, the latter as precise as `x`.
pub fn linear_activated(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    activation: Activation,
) -> (Tensor<2>, Tensor<2>) {
    let sizes @ [rows, columns, inner] = [x.dims()[0], weight.dims()[1], x.dims()[1]];
    fit(&[(inner, weight.dims()[0]), (bias.dims()[0], columns)]);
    let (before, after) = (empty([rows, columns], x.gpu()), empty_like(x, [rows, columns]));
    Product { activation, ..Product::new(Form::Straight, sizes, [inner, columns]) }.queue(x, weight, || {
        let (bias, before) = (buffer(bias), buffer(&before));
        match (is_half(&after), buffer(&after)) {
            (false, after) => End::Activate { bias, before, after },
            (true, after) => End::ActivateHalf { bias, before, after },
        }
    });
    (before, after)
}

/// The layer, dropped out, added to `residual [rows, outputs]`.
pub fn linear_residual(
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: &Tensor<1>,
    residual: &Tensor<2>,
    mask: Option<Mask>,
) -> Tensor<2> {
    let sizes @ [rows, columns, inner] = [x.dims()[0], weight.dims()[1], x.dims()[1]];
    let [residual_rows, residual_columns] = residual.dims();
    fit(&[(inner, weight.dims()[0]), (bias.dims()[0], columns), (residual_rows, rows), (residual_columns, columns)]);
    let out = empty([rows, columns], x.gpu());
    Product::new(Form::Straight, sizes, [inner, columns]).queue(x, weight, || {
        let (bias, residual, out) = (buffer(bias), buffer(residual), buffer(&out));
        match mask {
            None => End::Residual { bias, residual, out },
            Some(Mask { key, threshold, scale }) => End::DroppedResidual { bias, residual, out, key, threshold, scale },
        }
    });
    out
}

/// `gradient [rows, outputs] x weight [inputs, outputs]` transposed, `[rows, inputs]`.
pub fn input_gradient(gradient: &Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let sizes @ [rows, columns, inner] = [gradient.dims()[0], weight.dims()[0], gradient.dims()[1]];
    fit(&[(inner, weight.dims()[1])]);
    let out = empty([rows, columns], gradient.gpu());
    product(Form::RightTransposed, gradient, weight, &out, sizes, [inner, inner, columns], false);
    out
}

/// The gradient of what the activation was given, `before [rows, inputs]`.
pub fn input_gradient_through_activation(
    gradient: &Tensor<2>,
    weight: &Tensor<2>,
    before: &Tensor<2>,
    activation: Activation,
) -> Tensor<2> {
    let sizes @ [rows, columns, inner] = [gradient.dims()[0], weight.dims()[0], gradient.dims()[1]];
    fit(&[(inner, weight.dims()[1]), (before.dims()[0], rows), (before.dims()[1], columns)]);
    let out = empty([rows, columns], gradient.gpu());
    Product { activation, ..Product::new(Form::RightTransposed, sizes, [inner, inner]) }.queue(
        gradient,
        weight,
        || End::ThroughActivation { before: buffer(before), out: buffer(&out) },
    );
    out
}

/// Writes, or adds, `x [rows, inputs]` transposed `x gradient [rows, outputs]` and, where there is a `bias`, the sums of
/// `gradient`'s columns.
pub fn weight_gradient_into(
    x: &Tensor<2>,
    gradient: &Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    adding: bool,
) {
    let sizes @ [rows, columns, inner] = [x.dims()[1], gradient.dims()[1], x.dims()[0]];
    let [inputs, outputs] = weight.dims();
    let biases = bias.map_or(columns, |bias| bias.dims()[0]);
    fit(&[(inner, gradient.dims()[0]), (inputs, rows), (outputs, columns), (biases, columns)]);
    Product::new(Form::LeftTransposed, sizes, [rows, columns]).write(x, gradient, weight, bias, adding);
}
