//! The matrices of a model that is not trained itself, in the 8 or 16 bits a number that its file has.

use std::{collections::BTreeMap, sync::Arc};

use super::layout::{Layout, Parameter};
use crate::{
    architecture::{Kind, Module, Role, Shape},
    ops::{self, Form, Packed, Tensor},
};

/// The packed matrices of a frozen model. Its other tensors are numbers of 32 bits in a flat array of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// The layout of the flat array: all tensors but the packed ones.
    pub rest: Layout,
    matrices: BTreeMap<Role, Arc<Packed>>,
}

/// The rows and columns of a tensor that may be packed, as GGUF has them: a row for each output of a linear layer, with
/// its inputs, or for each token. `None` for the others.
pub fn packed_shape(parameter: &Parameter) -> Option<[usize; 2]> {
    let Role { module, kind: Kind::Weight, .. } = parameter.spec.role else { return None };
    match (module, parameter.spec.shape) {
        (_, Shape::Linear([inputs, outputs])) => Some([outputs, inputs]),
        (Module::TokenEmbedding | Module::Head, Shape::Table(axes)) => Some(axes),
        _ => None,
    }
}

/// Collects a map. `collect` would bring a sort of its own for each type, which every visitor of the page would download.
pub fn inserted<K: Ord, V>(entries: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(entries);
    map
}

impl Frozen {
    /// Puts together the packed matrices of a model with this layout. `None` if one is no matrix of the model, or has
    /// another shape.
    pub fn new(layout: &Layout, matrices: BTreeMap<Role, Packed>) -> Option<Self> {
        let is_right = |(&role, packed): (&Role, &Packed)| {
            layout.get(role).and_then(packed_shape).is_some_and(|shape| shape == packed.shape())
        };
        if !matrices.iter().all(is_right) {
            return None;
        }
        let rest = layout.without(|role| matrices.contains_key(&role));
        Some(Self { rest, matrices: inserted(matrices.into_iter().map(|(role, packed)| (role, Arc::new(packed)))) })
    }

    /// The packed matrices with their roles, in a fixed order.
    pub fn matrices(&self) -> impl Iterator<Item = (Role, &Packed)> {
        self.matrices.iter().map(|(&role, packed)| (role, &**packed))
    }

    /// The form of each tensor of the layout, none for those that are not packed; and the bytes of the packed ones one
    /// after another.
    pub fn to_bytes(&self, layout: &Layout) -> (Vec<Option<Form>>, Vec<u8>) {
        let packed = |parameter: &Parameter| self.matrices.get(&parameter.spec.role);
        let all = layout.parameters.iter().map(packed);
        let bytes = all.clone().flatten().flat_map(|packed| packed.bytes()).copied().collect();
        (all.map(|packed| packed.map(|packed| packed.form())).collect(), bytes)
    }

    /// Puts together what [`Frozen::to_bytes`] returned; `None` if it belongs to another model.
    pub fn from_bytes(layout: &Layout, forms: &[Option<Form>], mut bytes: &[u8]) -> Option<Self> {
        let mut matrices = BTreeMap::new();
        for (parameter, form) in layout.parameters.iter().zip(forms) {
            let Some(form) = *form else { continue };
            let (own, rest) = bytes.split_at_checked(form.bytes(parameter.len()))?;
            bytes = rest;
            matrices.insert(parameter.spec.role, Packed::new(form, packed_shape(parameter)?, own.to_vec())?);
        }
        Self::new(layout, matrices)
    }

    /// A packed matrix as a tensor of the parameter's shape.
    pub(super) fn tensor(&self, role: Role) -> Option<Tensor<2>> {
        let is_layer = matches!(role.module, Module::Linear(_));
        self.matrices.get(&role).map(|packed| ops::frozen(packed, is_layer))
    }

    /// All weights of the model in its whole layout, widened. `rest`: the flat array of the other tensors.
    pub fn widened(&self, layout: &Layout, rest: &[f32]) -> Vec<f32> {
        let mut flat = self.rest.moved(rest, layout);
        for (&role, packed) in &self.matrices {
            let place = &mut flat[layout.tensor(role).range()];
            let [rows, columns] = packed.shape();
            for row in 0..rows {
                let values = packed.row(row);
                match role.module {
                    Module::Linear(_) => {
                        let places = place[row..].iter_mut().step_by(rows);
                        places.zip(values).for_each(|(place, value)| *place = value);
                    }
                    _ => place[row * columns..][..columns].copy_from_slice(&values),
                }
            }
        }
        flat
    }

    /// The bytes of the model's weights.
    pub fn bytes(&self) -> u64 {
        let packed = self.matrices().map(|(_, packed)| packed.bytes().len() as u64);
        4 * self.rest.len as u64 + packed.sum::<u64>()
    }
}

/// The bytes of the weights of a model with this layout, some of whose matrices are packed.
pub fn bytes_of(layout: &Layout, forms: &BTreeMap<Role, Form>) -> u64 {
    let bytes = layout.parameters.iter().map(|parameter| match forms.get(&parameter.spec.role) {
        Some(form) => form.bytes(parameter.len()),
        None => 4 * parameter.len(),
    });
    bytes.map(|bytes| bytes as u64).sum()
}
