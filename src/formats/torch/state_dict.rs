//! What the calls in the pickle of a plain state dict make (`torch/_utils.py` and `torch/serialization.py` of version
//! 2.15): ordered dicts, storages, and tensors that are views into these.

use std::collections::HashSet;

use safetensors::tensor::Dtype;

use super::{
    MOST_TENSORS, Tensor, invalid,
    pickle::{Meaning, Value, Values, refused},
};
use crate::error::{Error, Result, shown};

/// The names that a plain state dict refers to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// `torch.FloatStorage` and the like
    Storage(Dtype),
}

impl Global {
    /// The global with a name, if a plain state dict may have it.
    pub fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", _) => Self::Storage(match name.strip_suffix("Storage")? {
                "Float" => Dtype::F32,
                "Half" => Dtype::F16,
                "BFloat16" => Dtype::BF16,
                "Double" => Dtype::F64,
                "Bool" => Dtype::BOOL,
                "Byte" => Dtype::U8,
                "Char" => Dtype::I8,
                "Short" => Dtype::I16,
                "Int" => Dtype::I32,
                "Long" => Dtype::I64,
                _ => return None,
            }),
            _ => return None,
        })
    }
}

/// The numbers of one or several tensors.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage<'a> {
    /// Its name in the file.
    pub key: &'a str,
    pub dtype: Dtype,
    /// How many numbers it has.
    pub length: u64,
}

impl Storage<'_> {
    /// Bytes of a number.
    pub fn number(&self) -> u64 {
        self.dtype.bitsize() as u64 / 8
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> Result<u64> {
        self.length.checked_mul(self.number()).ok_or_else(|| invalid(format!("storage {} is too large", self.key)))
    }
}

/// A view into a storage.
struct View {
    storage: u32,
    /// The index of its first number.
    offset: u64,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// The storages and tensors that a pickle makes.
#[derive(Default)]
pub struct StateDict<'a> {
    pub storages: Vec<Storage<'a>>,
    tensors: Vec<View>,
    /// How many items a persistent id has: five, or before PyTorch 1.6 six.
    id_items: usize,
}

impl<'a> StateDict<'a> {
    /// For pickles whose persistent ids have so many items.
    pub fn new(id_items: usize) -> Self {
        Self { id_items, ..Self::default() }
    }

    /// The tensors of the pickle's value, whose storages begin at these bytes of the file.
    ///
    /// # Errors
    /// [`Error::TorchFileInvalid`] if it is no state dict.
    pub fn tensors(&self, value: Value<'a>, values: &Values<'a>, starts: &[u64]) -> Result<Vec<Tensor>> {
        let entries = values.entries(value).ok_or_else(|| invalid("it holds no state dict"))?;
        if entries.len() > MOST_TENSORS {
            return Err(invalid(format!("{} tensors are too many", entries.len())));
        }
        let mut names = HashSet::new();
        let mut tensors = Vec::new();
        for &(key, value) in entries {
            let Value::String(name) = key else { return Err(invalid("a name of the state dict is no text")) };
            let Value::Tensor(index) = value else { return Err(invalid(format!("{} is no tensor", shown(name)))) };
            if !names.insert(name) {
                return Err(invalid(format!("{} comes twice", shown(name))));
            }
            let View { storage, offset, shape, strides } = &self.tensors[index as usize];
            let of = &self.storages[*storage as usize];
            let from = starts[*storage as usize] + offset * of.number();
            let (shape, strides) = (shape.clone(), strides.clone());
            tensors.push(Tensor { name: name.to_owned(), dtype: of.dtype, shape, strides, from });
        }
        Ok(tensors)
    }

    /// As `_rebuild_tensor_v2`: storage, offset, size, stride, whether it needs gradients, and hooks.
    fn rebuild(&mut self, arguments: &[Value<'a>], values: &Values<'a>) -> Result<Value<'a>> {
        let &[Value::Storage(storage), Value::Int(offset), size, stride, Value::Bool(_), _, ..] = arguments else {
            return Err(refused("_rebuild_tensor_v2 of something else"));
        };
        let numbers = |value| {
            let items = values.items(value)?.iter();
            items.map(|item| if let Value::Int(number) = item { usize::try_from(*number).ok() } else { None }).collect()
        };
        let lengths: (Option<Vec<usize>>, Option<Vec<usize>>) = (numbers(size), numbers(stride));
        let (Some(shape), Some(strides)) = lengths else {
            return Err(invalid("the shape of a tensor is no list of numbers"));
        };
        let Storage { length, key, .. } = self.storages[storage as usize];
        let outside = || invalid(format!("a tensor reaches beyond storage {key}"));
        if shape.len() != strides.len() {
            return Err(invalid("a tensor has other strides than axes"));
        }
        let offset = u64::try_from(offset).map_err(|_| outside())?;
        let mut end = offset;
        if !shape.contains(&0) {
            for (&length, &stride) in shape.iter().zip(&strides) {
                let reach = (length as u64 - 1).checked_mul(stride as u64);
                end = reach.and_then(|reach| end.checked_add(reach)).ok_or_else(outside)?;
            }
            end = end.checked_add(1).ok_or_else(outside)?;
        }
        if end > length {
            return Err(outside());
        }
        self.tensors.push(View { storage, offset, shape, strides });
        Ok(Value::Tensor(self.tensors.len() as u32 - 1))
    }
}

impl<'a> Meaning<'a> for StateDict<'a> {
    fn call(&mut self, called: Global, arguments: Value<'a>, values: &mut Values<'a>) -> Result<Value<'a>> {
        let items = values.items(arguments).filter(|_| matches!(arguments, Value::Tuple(..))).map(<[_]>::to_vec);
        let items = items.ok_or_else(|| invalid("a call without a tuple of arguments"))?;
        match (called, &items[..]) {
            (Global::OrderedDict, []) => Ok(values.dict()),
            (Global::RebuildTensor, arguments) => self.rebuild(arguments, values),
            (Global::RebuildParameter, &[tensor @ Value::Tensor(_), ..]) => Ok(tensor),
            (other, _) => Err(refused(format!("a call of {other:?}"))),
        }
    }

    /// As `persistent_load` of `_load` and `_legacy_load`: "storage", its type, its name, a device, and its length.
    fn persistent(&mut self, id: Value<'a>, values: &Values<'a>) -> Result<Value<'a>> {
        let items = values.items(id).unwrap_or_default();
        let &[Value::String("storage"), Value::Global(Global::Storage(dtype)), Value::String(key), _, length, ..] =
            items
        else {
            return Err(refused("a persistent id that is no storage"));
        };
        // The last item was a view into another storage, which PyTorch has not written since 0.3.
        if items.len() != self.id_items || (self.id_items == 6 && items[5] != Value::None) {
            return Err(refused("a persistent id with other items"));
        }
        let Value::Int(length) = length else { return Err(invalid("the length of a storage is no number")) };
        let length = u64::try_from(length).map_err(|_| invalid("the length of a storage is negative"))?;
        let storage = Storage { key, dtype, length };
        storage.bytes()?;
        // A storage that several tensors share comes several times.
        if self.storages.last() == Some(&storage) {
            return Ok(Value::Storage(self.storages.len() as u32 - 1));
        }
        if self.storages.len() == MOST_TENSORS {
            return Err(invalid("too many storages"));
        }
        self.storages.push(storage);
        Ok(Value::Storage(self.storages.len() as u32 - 1))
    }
}

/// The bytes of a storage, as an error says them.
pub fn other_length(storage: &Storage, found: u64) -> Error {
    invalid(format!("storage {} has {found} bytes, not {} numbers", storage.key, storage.length))
}
