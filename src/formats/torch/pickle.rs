//! Interprets a pickle as far as plain state dicts need it (`pickle.py` and `pickletools.py` of Python 3.13). Nothing is
//! called: a global is one of a short list, and what it would make is computed here. Values are kept flat, so that
//! neither depth nor cycles matter, and each opcode makes a bounded number of them.

use std::collections::HashMap;

use super::{invalid, state_dict::Global};
use crate::{
    error::{Error, Result, shown},
    formats::parts::{Cursor, Reading},
};

/// The opcode that begins a pickle of protocol 2 and later.
pub const PROTO: u8 = 0x80;

/// The newest protocol.
const NEWEST: u8 = 5;

/// A value of a pickle. Containers are in [`Values`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits, of which nothing is known.
    Long,
    Float,
    String(&'a str),
    Global(Global),
    /// The items from an index of [`Values::items`] on, and how many they are.
    Tuple(u32, u32),
    /// An index of [`Values::lists`].
    List(u32),
    /// An index of [`Values::dicts`].
    Dict(u32),
    /// An index of the storages that the reader of persistent ids has made.
    Storage(u32),
    /// An index of the tensors that calls have made.
    Tensor(u32),
}

/// The containers of a pickle.
#[derive(Debug, Default)]
pub struct Values<'a> {
    items: Vec<Value<'a>>,
    lists: Vec<Vec<Value<'a>>>,
    dicts: Vec<Vec<(Value<'a>, Value<'a>)>>,
}

impl<'a> Values<'a> {
    /// The items of a tuple or a list.
    pub fn items(&self, value: Value<'a>) -> Option<&[Value<'a>]> {
        match value {
            Value::Tuple(first, length) => self.items.get(first as usize..)?.get(..length as usize),
            Value::List(index) => Some(&self.lists[index as usize]),
            _ => None,
        }
    }

    /// The entries of a dict.
    pub fn entries(&self, value: Value<'a>) -> Option<&[(Value<'a>, Value<'a>)]> {
        match value {
            Value::Dict(index) => Some(&self.dicts[index as usize]),
            _ => None,
        }
    }

    /// Makes an empty dict.
    pub fn dict(&mut self) -> Value<'a> {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() as u32 - 1)
    }
}

/// What a pickle's calls and persistent ids mean.
pub trait Meaning<'a> {
    /// The value of a call with these arguments.
    fn call(&mut self, called: Global, arguments: Value<'a>, values: &mut Values<'a>) -> Result<Value<'a>>;
    /// The value of a persistent id.
    fn persistent(&mut self, id: Value<'a>, values: &Values<'a>) -> Result<Value<'a>>;
}

/// Reads one pickle; returns its value and the containers.
///
/// # Errors
/// [`Error::PickleRefused`] for an opcode or a global that a plain state dict does not have, [`Error::TorchFileInvalid`]
/// for a pickle that is damaged, and the errors of the cursor.
pub fn read<'a>(cursor: &mut Cursor<'a>, meaning: &mut impl Meaning<'a>) -> Reading<(Value<'a>, Values<'a>)> {
    let mut machine = Machine { values: Values::default(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let [opcode] = cursor.array()?;
        if opcode == STOP {
            let value = machine.pop()?;
            return Ok((value, machine.values));
        }
        machine.step(opcode, cursor, meaning)?;
    }
}

const STOP: u8 = b'.';

struct Machine<'a> {
    values: Values<'a>,
    stack: Vec<Value<'a>>,
    /// Lengths of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8, cursor: &mut Cursor<'a>, meaning: &mut impl Meaning<'a>) -> Reading<()> {
        match opcode {
            PROTO => {
                let [version] = cursor.array()?;
                if version > NEWEST {
                    return Err(refused(format!("protocol {version}")).into());
                }
            }
            // FRAME: only tells how much follows.
            0x95 => drop(cursor.array::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1
            b'J' => {
                let number = i32::from_le_bytes(cursor.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            b'K' => {
                let [number] = cursor.array()?;
                self.stack.push(Value::Int(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(cursor.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            0x8a => {
                let [length] = cursor.array()?;
                self.stack.push(long(cursor.take(length.into())?));
            }
            // BINFLOAT
            b'G' => {
                cursor.array::<8>()?;
                self.stack.push(Value::Float);
            }
            // BINUNICODE, SHORT_BINUNICODE
            b'X' => {
                let length = u32::from_le_bytes(cursor.array()?);
                self.stack.push(Value::String(text(cursor.take(length.into())?)?));
            }
            0x8c => {
                let [length] = cursor.array()?;
                self.stack.push(Value::String(text(cursor.take(length.into())?)?));
            }
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.tuple(self.stack.len())?,
            0x85..=0x87 => {
                let length = usize::from(opcode - 0x84);
                self.tuple(self.below(length)?)?;
            }
            b't' => {
                let from = self.mark()?;
                self.tuple(from)?;
            }
            b']' => {
                self.values.lists.push(Vec::new());
                self.stack.push(Value::List(self.values.lists.len() as u32 - 1));
            }
            b'}' => {
                let dict = self.values.dict();
                self.stack.push(dict);
            }
            // APPEND, APPENDS
            b'a' => self.append(self.below(1)?)?,
            b'e' => {
                let from = self.mark()?;
                self.append(from)?;
            }
            // SETITEM, SETITEMS
            b's' => self.set_items(self.below(2)?)?,
            b'u' => {
                let from = self.mark()?;
                self.set_items(from)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let [index] = cursor.array()?;
                self.put(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(cursor.array()?);
                self.put(index)?;
            }
            0x94 => self.put(self.memo.len() as u32)?,
            b'h' => {
                let [index] = cursor.array()?;
                self.get(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(cursor.array()?);
                self.get(index)?;
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (text(line(cursor)?)?, text(line(cursor)?)?);
                self.stack.push(Value::Global(global(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::String(module), Value::String(name)) = (module, name) else {
                    return Err(invalid("the name of a global is no text").into());
                };
                self.stack.push(Value::Global(global(module, name)?));
            }
            // REDUCE, BUILD, BINPERSID
            b'R' => {
                let (arguments, called) = (self.pop()?, self.pop()?);
                let Value::Global(called) = called else { return Err(refused("a call of a value").into()) };
                let made = meaning.call(called, arguments, &mut self.values)?;
                self.stack.push(made);
            }
            b'b' => {
                // The attributes of an OrderedDict: a state dict has the versions of its modules there.
                let (state, object) = (self.pop()?, self.top()?);
                if self.values.entries(object).is_none() || self.values.entries(state).is_none() {
                    return Err(refused("BUILD").into());
                }
            }
            b'Q' => {
                let id = self.pop()?;
                let value = meaning.persistent(id, &self.values)?;
                self.stack.push(value);
            }
            other => return Err(refused(name(other)).into()),
        }
        Ok(())
    }

    /// The length of the stack without its topmost values, none of which may be before a mark.
    fn below(&self, values: usize) -> Result<usize> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack.len().checked_sub(values).filter(|&at| at >= floor).ok_or_else(|| invalid("the stack is empty"))
    }

    fn pop(&mut self) -> Result<Value<'a>> {
        let at = self.below(1)?;
        let value = self.stack[at];
        self.stack.truncate(at);
        Ok(value)
    }

    fn top(&self) -> Result<Value<'a>> {
        Ok(self.stack[self.below(1)?])
    }

    /// Closes the last mark.
    fn mark(&mut self) -> Result<usize> {
        self.marks.pop().ok_or_else(|| invalid("a mark is missing"))
    }

    /// Makes a tuple of the values from an index of the stack on.
    fn tuple(&mut self, from: usize) -> Result<()> {
        let first = self.values.items.len();
        self.values.items.extend(self.stack.drain(from..));
        let length = self.values.items.len() - first;
        self.stack.push(Value::Tuple(first as u32, length as u32));
        Ok(())
    }

    /// Appends the values from an index of the stack on to the list before them.
    fn append(&mut self, from: usize) -> Result<()> {
        let new: Vec<_> = self.stack.drain(from..).collect();
        let Value::List(index) = self.top()? else { return Err(refused("APPEND to no list")) };
        self.values.lists[index as usize].extend(new);
        Ok(())
    }

    /// Sets the pairs from an index of the stack on in the dict before them.
    fn set_items(&mut self, from: usize) -> Result<()> {
        let new: Vec<_> = self.stack.drain(from..).collect();
        let Value::Dict(index) = self.top()? else { return Err(refused("SETITEM of no dict")) };
        let (pairs, []) = new.as_chunks::<2>() else { return Err(invalid("a key has no value")) };
        self.values.dicts[index as usize].extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    fn put(&mut self, index: u32) -> Result<()> {
        let value = self.top()?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<()> {
        let value = self.memo.get(&index).copied().ok_or_else(|| invalid(format!("memo {index} is empty")))?;
        self.stack.push(value);
        Ok(())
    }
}

/// The line before the next line feed.
fn line<'a>(cursor: &mut Cursor<'a>) -> Reading<&'a [u8]> {
    let mut ahead = cursor.ahead();
    let mut length = 0;
    while ahead.array()? != [b'\n'] {
        length += 1;
    }
    let line = cursor.take(length)?;
    cursor.take(1)?;
    Ok(line)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| invalid("a text is not UTF-8"))
}

/// A whole number in two's complement, the lowest byte first.
fn long<'a>(bytes: &[u8]) -> Value<'a> {
    let Some(last) = bytes.last() else { return Value::Int(0) };
    if bytes.len() > 8 {
        return Value::Long;
    }
    let mut all = [if last & 0x80 == 0 { 0 } else { 0xff }; 8];
    all[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(all))
}

fn global(module: &str, name: &str) -> Result<Global> {
    Global::of(module, name).ok_or_else(|| refused(format!("{module}.{name}")))
}

/// The error for something that a plain state dict does not have.
pub fn refused(found: impl AsRef<str>) -> Error {
    Error::PickleRefused { found: shown(found.as_ref()) }
}

/// The name of an opcode that is refused (`pickletools.py`).
fn name(opcode: u8) -> String {
    let known = match opcode {
        b'0' => "POP",
        b'1' => "POP_MARK",
        b'2' => "DUP",
        b'B' => "BINBYTES",
        b'C' => "SHORT_BINBYTES",
        b'F' => "FLOAT",
        b'I' => "INT",
        b'L' => "LONG",
        b'P' => "PERSID",
        b'S' => "STRING",
        b'T' => "BINSTRING",
        b'U' => "SHORT_BINSTRING",
        b'V' => "UNICODE",
        b'd' => "DICT",
        b'g' => "GET",
        b'i' => "INST",
        b'l' => "LIST",
        b'o' => "OBJ",
        b'p' => "PUT",
        0x81 => "NEWOBJ",
        0x82 => "EXT1",
        0x83 => "EXT2",
        0x84 => "EXT4",
        0x8b => "LONG4",
        0x8d => "BINUNICODE8",
        0x8e => "BINBYTES8",
        0x8f => "EMPTY_SET",
        0x90 => "ADDITEMS",
        0x91 => "FROZENSET",
        0x92 => "NEWOBJ_EX",
        0x96 => "BYTEARRAY8",
        0x97 => "NEXT_BUFFER",
        0x98 => "READONLY_BUFFER",
        _ => return format!("opcode {opcode:#04x}"),
    };
    known.to_owned()
}
