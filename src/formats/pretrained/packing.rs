//! Puts a model's matrices together in the 8 or 16 bits a number that their file has, piece by piece.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Piece, Pretrained,
    weights::{check_length, interleaved_row, numbers, read_numbers},
};
use crate::{
    architecture::{Role, Shape},
    error::Result,
    model::{Frozen, Layout, Parameter, packed_shape},
    ops::{Form, Packed},
};

/// The form of a matrix that consists of parts with these.
fn joined(forms: &BTreeSet<Option<Form>>) -> Option<Form> {
    let quantised = [Form::Q8, Form::Offset, Form::Scaled].map(Some);
    match forms.iter().collect::<Vec<_>>()[..] {
        [form] => *form,
        _ if forms.iter().all(|form| quantised.contains(form)) => Some(Form::Scaled),
        _ => None,
    }
}

impl Pretrained {
    /// The forms in which matrices can be held as their file has them. Those with 32 bits, and with parts of different
    /// kinds, have none.
    pub fn forms(&self) -> BTreeMap<Role, Form> {
        let mut parts: BTreeMap<Role, BTreeSet<Option<Form>>> = BTreeMap::new();
        for piece in &self.pieces[self.compared..] {
            let Some(parameter) = parameter_at(&self.layout, piece.offset) else { continue };
            let is_layer = matches!(parameter.spec.shape, Shape::Linear(_));
            // Blocks have to lie along the inputs.
            let is_along = piece.turned.is_some() == is_layer || piece.encoding.block() == 1;
            let is_whole =
                |form: &Form| packed_shape(parameter).is_some_and(|[_, columns]| columns.is_multiple_of(form.block()));
            let form = piece.encoding.form().filter(|form| is_along && is_whole(form));
            parts.entry(parameter.spec.role).or_default().insert(form);
        }
        parts.into_iter().filter_map(|(role, forms)| Some((role, joined(&forms)?))).collect()
    }
}

/// The tensor that has this place in the flat array.
fn parameter_at(layout: &Layout, offset: usize) -> Option<&Parameter> {
    let after = layout.parameters.partition_point(|parameter| parameter.offset <= offset);
    layout.parameters[..after].last().filter(|parameter| parameter.range().contains(&offset))
}

/// A frozen model whose pieces are coming.
pub struct Packing {
    layout: Layout,
    rest: Layout,
    /// The other tensors' numbers.
    flat: Vec<f32>,
    matrices: BTreeMap<Role, (Form, Vec<u8>)>,
}

impl Packing {
    /// Makes a model of zeros whose matrices have these forms.
    pub fn new(layout: &Layout, forms: &BTreeMap<Role, Form>) -> Self {
        let rest = layout.without(|role| forms.contains_key(&role));
        let zeros = |(&role, &form): (&Role, &Form)| (role, (form, vec![0; form.bytes(layout.tensor(role).len())]));
        let matrices = forms.iter().map(zeros).collect();
        Self { layout: layout.clone(), flat: vec![0.0; rest.len], rest, matrices }
    }

    /// Puts the bytes of a piece in their place. A piece beyond the layout is of a head that equals the embedding.
    ///
    /// # Errors
    /// Those of [`numbers`].
    pub fn put(&mut self, piece: &Piece, bytes: &[u8]) -> Result<()> {
        let Some(parameter) = parameter_at(&self.layout, piece.offset) else {
            return numbers(piece, bytes).map(drop);
        };
        let start = piece.offset - parameter.offset;
        let Some((form, matrix)) = self.matrices.get_mut(&parameter.spec.role) else {
            let numbers = numbers(piece, bytes)?;
            let place = &mut self.flat[self.rest.tensor(parameter.spec.role).offset + start..];
            match piece.joint {
                Some([rows, width]) => {
                    let columns = numbers.len() / rows.max(1);
                    let places = place.chunks_mut(width).zip(numbers.chunks_exact(columns.max(1)));
                    places.for_each(|(place, row)| place[..columns].copy_from_slice(row));
                }
                None => place[..numbers.len()].copy_from_slice(&numbers),
            }
            return Ok(());
        };
        check_length(piece, bytes)?;
        let count = read_numbers(piece.encoding, bytes, &piece.tensor)?.len();
        let packed = piece.encoding.pack(*form, bytes);
        let Some([_, columns]) = packed_shape(parameter) else { return Ok(()) };
        let is_layer = matches!(parameter.spec.shape, Shape::Linear(_));
        if piece.turned.is_some() != is_layer {
            // The other way round, with 16 bits a number: one by one.
            let width = match (piece.joint, piece.turned) {
                (Some([rows, _]), _) | (None, Some(rows)) => count / rows.max(1),
                (None, None) => parameter.shape[1],
            };
            let (first, start) = if piece.joint.is_some() { (start, 0) } else { (0, start) };
            for (number, pair) in (start..).zip(packed.chunks_exact(2)) {
                let (row, column) = (first + number % width, number / width);
                matrix[2 * (row * columns + column)..][..2].copy_from_slice(pair);
            }
            return Ok(());
        }
        let row_bytes = form.bytes(columns);
        match (is_layer, piece.interleaved) {
            (true, Some(width)) => {
                for row in 0..count / columns {
                    let from = interleaved_row(row, width);
                    let place = &mut matrix[(start + row) * row_bytes..][..row_bytes];
                    place.copy_from_slice(&packed[from * row_bytes..][..row_bytes]);
                }
            }
            (true, None) => matrix[start * row_bytes..][..packed.len()].copy_from_slice(&packed),
            (false, _) => matrix[form.bytes(start)..][..packed.len()].copy_from_slice(&packed),
        }
        Ok(())
    }

    /// The packed matrices, and the flat array of the other tensors.
    pub fn finish(self) -> (Frozen, Vec<f32>) {
        let Self { layout, flat, matrices, .. } = self;
        let packed = matrices.into_iter().map(|(role, (form, bytes))| {
            let shape = packed_shape(layout.tensor(role)).expect("only matrices have forms");
            (role, Packed::new(form, shape, bytes).expect("as many bytes as the form needs"))
        });
        (Frozen::new(&layout, packed.collect()).expect("matrices of this layout"), flat)
    }
}
