//! The GGUF container (`docs/gguf.md` of ggml): counts, metadata, tensor descriptions, tensor data. All numbers are
//! little-endian.

pub mod read;
pub mod write;

const MAGIC: &[u8] = b"GGUF";

/// The tensor with what the frequencies of rotary positions are divided by, `[head width / 2]`.
pub const FREQUENCY_FACTORS: &str = "rope_freqs.weight";

/// Alignment of tensors in bytes, the default without metadata.
const ALIGNMENT: usize = 32;

/// `gguf_metadata_value_type`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    U8 = 0,
    I8 = 1,
    U16 = 2,
    I16 = 3,
    U32 = 4,
    I32 = 5,
    F32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    U64 = 10,
    I64 = 11,
    F64 = 12,
}

impl Type {
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::String,
        Self::Array,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    fn of(id: u32) -> Option<Self> {
        Self::ALL.get(id as usize).copied()
    }

    /// The size of a value in bytes; of strings and arrays that of their length.
    fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String | Self::Array => 8,
        }
    }
}
