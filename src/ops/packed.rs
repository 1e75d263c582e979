//! Matrices of frozen weights in 8 or 16 bits a number, as a file has them: products widen the numbers as they read them,
//! so a model that is not trained itself never takes 32 bits a number. On the CPU alone; a GPU gets widened numbers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    CpuTensor, Tensor,
    product::{Matrix, MatrixMut, multiply},
};

/// How the numbers of a packed matrix are held. Each form holds what it was made of without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// IEEE 754 with 16 bits.
    F16,
    /// The upper half of 32 bits.
    Bf16,
    /// GGUF's `Q8_0`: blocks of 32 numbers, a scale of 16 bits before 8 bits a number.
    Q8,
    /// Blocks of 32 numbers: a scale and a minimum, 16 bits each, before 8 bits a number, which is
    /// `scale * byte + minimum`.
    Offset,
    /// Blocks of 32 numbers: a scale for each half and a minimum, 32 bits each, before 8 bits a number. It holds every
    /// quantised format.
    Scaled,
}

/// Numbers in a block of the forms of 8 bits; a row consists of whole blocks.
pub const BLOCK: usize = 32;
const HALF: usize = BLOCK / 2;

/// Numbers that are widened together.
const LANES: usize = 8;

impl Form {
    /// Numbers in a block.
    pub const fn block(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 1,
            Self::Q8 | Self::Offset | Self::Scaled => BLOCK,
        }
    }

    /// Bytes of a block.
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::Q8 => 2 + BLOCK,
            Self::Offset => 4 + BLOCK,
            Self::Scaled => 12 + BLOCK,
        }
    }

    /// Bytes of so many numbers, in whole blocks.
    pub const fn bytes(self, numbers: usize) -> usize {
        numbers / self.block() * self.block_bytes()
    }
}

/// A matrix `[rows, columns]`, row-major, in whole blocks of its form.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    form: Form,
    rows: usize,
    columns: usize,
    bytes: Vec<u8>,
}

/// What the bytes of a block are multiplied by, in each half, and what is added.
struct Scales {
    halves: [f32; 2],
    minimum: f32,
}

impl Packed {
    /// Makes a matrix of its bytes; `None` if they are not as many as the shape needs, or rows are not whole blocks.
    pub fn new(form: Form, [rows, columns]: [usize; 2], bytes: Vec<u8>) -> Option<Self> {
        let fits = columns.is_multiple_of(form.block()) && bytes.len() == form.bytes(rows.checked_mul(columns)?);
        fits.then_some(Self { form, rows, columns, bytes })
    }

    /// How its numbers are held.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Rows and columns.
    pub fn shape(&self) -> [usize; 2] {
        [self.rows, self.columns]
    }

    /// Its bytes, row after row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether all numbers are finite.
    pub fn is_finite(&self) -> bool {
        (0..self.rows).all(|row| self.row(row).iter().all(|value| value.is_finite()))
    }

    /// The bytes from a number on, which begins a block: so many blocks.
    fn blocks(&self, row: usize, column: usize, count: usize) -> &[u8] {
        let first = (row * self.columns + column) / self.form.block();
        &self.bytes[first * self.form.block_bytes()..][..count * self.form.block_bytes()]
    }

    /// Scales and bytes of a block.
    #[inline(always)]
    fn block<'a>(&self, block: &'a [u8]) -> (Scales, &'a [u8; BLOCK]) {
        let (scales, bytes) = block.split_at(block.len() - BLOCK);
        let scales = match self.form {
            Form::Scaled => scales_of_scaled(scales),
            Form::Offset => scales_of_offset(scales),
            _ => scales_of_q8(scales),
        };
        (scales, bytes.try_into().expect("as many bytes as a block has"))
    }

    /// Widens `out.len()` numbers of a row from a column on; both begin blocks.
    fn widen(&self, row: usize, column: usize, out: &mut [f32]) {
        let bytes = self.blocks(row, column, out.len() / self.form.block());
        match self.form {
            Form::F16 => widen_pairs(bytes, out, widened_f16),
            Form::Bf16 => widen_pairs(bytes, out, widened_bf16),
            Form::Q8 | Form::Offset | Form::Scaled => {
                for (block, out) in bytes.chunks_exact(self.form.block_bytes()).zip(out.as_chunks_mut::<BLOCK>().0) {
                    let (Scales { halves, minimum }, bytes) = self.block(block);
                    for (half, scale) in halves.into_iter().enumerate() {
                        for at in half * HALF..(half + 1) * HALF {
                            out[at] = scale * f32::from(bytes[at] as i8) + minimum;
                        }
                    }
                }
            }
        }
    }

    /// A row, widened.
    pub fn row(&self, row: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.columns];
        self.widen(row, 0, &mut out);
        out
    }

    /// The numbers of some columns, fewer than a block and within one, of a row.
    #[inline(always)]
    fn few(&self, row: usize, column: usize, out: &mut [f32]) {
        let at = column % self.form.block();
        let bytes = match self.form {
            Form::F16 | Form::Bf16 => self.blocks(row, column, out.len()),
            Form::Q8 | Form::Offset | Form::Scaled => self.blocks(row, column - at, 1),
        };
        match self.form {
            Form::F16 => widen_pairs(bytes, out, widened_f16),
            Form::Bf16 => widen_pairs(bytes, out, widened_bf16),
            Form::Q8 | Form::Offset | Form::Scaled => {
                let (Scales { halves, minimum }, bytes) = self.block(bytes);
                // Columns come in groups of which none reaches from one half into the other.
                let scale = halves[at / HALF];
                for (out, &byte) in out.iter_mut().zip(&bytes[at..]) {
                    *out = scale * f32::from(byte as i8) + minimum;
                }
            }
        }
    }

    /// Packs `LINES` rows from `row` on, and the columns from `first` on, a multiple of a block, column by column, as
    /// products read a factor; rows from the last on are 0.
    #[inline(never)] // so that it can be in a part of the wasm that is loaded later; here and below
    pub(super) fn strip_of_rows<const LINES: usize>(&self, row: usize, first: usize, values: &mut [f32]) {
        let lines = LINES.min(self.rows - row);
        if lines < LINES {
            values.fill(0.0);
        }
        let mut widened = [0.0; BLOCK];
        for line in 0..lines {
            for (at, places) in values.chunks_mut(BLOCK * LINES).enumerate() {
                let widened = &mut widened[..places.len() / LINES];
                self.widen(row + line, first + at * BLOCK, widened);
                places[line..].iter_mut().step_by(LINES).zip(widened).for_each(|(place, value)| *place = *value);
            }
        }
    }

    /// Packs `LINES` columns from `column` on, a multiple of `LINES`, and the rows from `first` on, row by row; columns
    /// from the last on are 0.
    #[inline(never)]
    pub(super) fn strip_of_columns<const LINES: usize>(&self, column: usize, first: usize, values: &mut [f32]) {
        let lines = LINES.min(self.columns - column);
        if lines < LINES {
            values.fill(0.0);
        }
        for (row, places) in values.chunks_exact_mut(LINES).enumerate() {
            self.few(first + row, column, &mut places[..lines]);
        }
    }

    /// The products of `x` with `columns` columns, or with as many rows if `transposed`. Each number is read once: the words
    /// that a model writes one by one need nothing else, and take as long as that.
    #[inline(never)]
    pub(super) fn multiplied(&self, x: &[f32], columns: usize, transposed: bool) -> Vec<f32> {
        if transposed {
            let sums = block_sums(x);
            return (0..columns).map(|column| self.dot(column, x, &sums)).collect();
        }
        let mut sums = vec![0.0f32; columns];
        for (row, factor) in x.iter().enumerate() {
            sums.iter_mut().zip(self.row(row)).for_each(|(sum, value)| *sum += factor * value);
        }
        sums
    }

    /// The product of a row with `x`, as long as it. `sums`: those of [`block_sums`] of `x`.
    fn dot(&self, row: usize, x: &[f32], sums: &[f32]) -> f32 {
        let bytes = self.blocks(row, 0, self.columns / self.form.block());
        match self.form {
            Form::F16 => dot_of_pairs(bytes, x, widened_f16),
            Form::Bf16 => dot_of_pairs(bytes, x, widened_bf16),
            Form::Q8 => dot_of_blocks::<{ Form::Q8.block_bytes() }>(bytes, x, sums, scales_of_q8),
            Form::Offset => dot_of_blocks::<{ Form::Offset.block_bytes() }>(bytes, x, sums, scales_of_offset),
            Form::Scaled => dot_of_blocks::<{ Form::Scaled.block_bytes() }>(bytes, x, sums, scales_of_scaled),
        }
    }
}

/// The scale of a block of [`Form::Q8`].
#[inline(always)]
fn scales_of_q8(block: &[u8]) -> Scales {
    let scale = widened_f16(u16::from_le_bytes([block[0], block[1]]));
    Scales { halves: [scale; 2], minimum: 0.0 }
}

/// The scale and the minimum of a block of [`Form::Offset`].
#[inline(always)]
fn scales_of_offset(block: &[u8]) -> Scales {
    let minimum = widened_f16(u16::from_le_bytes([block[2], block[3]]));
    Scales { minimum, ..scales_of_q8(block) }
}

/// The scales and the minimum of a block of [`Form::Scaled`].
#[inline(always)]
fn scales_of_scaled(block: &[u8]) -> Scales {
    let single = |at: usize| f32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    Scales { halves: [single(0), single(4)], minimum: single(8) }
}

/// The product of a row of blocks with `x`. Scales multiply sums of bytes, instead of each byte.
#[inline(always)]
fn dot_of_blocks<const BYTES: usize>(bytes: &[u8], x: &[f32], sums: &[f32], scales: impl Fn(&[u8]) -> Scales) -> f32 {
    let mut totals = [0.0f32; LANES];
    let mut minima = 0.0;
    for ((block, x), sum) in bytes.as_chunks::<BYTES>().0.iter().zip(x.as_chunks::<BLOCK>().0).zip(sums) {
        let Scales { halves, minimum } = scales(block);
        minima += minimum * sum;
        for (half, scale) in halves.into_iter().enumerate() {
            let at = half * HALF;
            let [first, second] = [at, at + LANES].map(|at| lanes(&block[BYTES - BLOCK + at..]));
            for lane in 0..LANES {
                totals[lane] += scale * (first[lane] * x[at + lane] + second[lane] * x[at + LANES + lane]);
            }
        }
    }
    totals.iter().sum::<f32>() + minima
}

/// The first bytes as numbers.
#[inline(always)]
fn lanes(bytes: &[u8]) -> [f32; LANES] {
    let bytes: &[u8; LANES] = bytes.first_chunk().expect("a half of a block");
    bytes.map(|byte| f32::from(byte as i8))
}

/// The sums of each 32 numbers of `x`, by which minima are multiplied.
fn block_sums(x: &[f32]) -> Vec<f32> {
    x.chunks(BLOCK).map(|block| block.iter().sum()).collect()
}

/// The same as `half`'s conversion of a finite number, without branches, so that compilers make SIMD of it: the exponent is
/// moved by a product, which is exact for subnormal numbers too.
#[inline(always)]
fn widened_f16(bits: u16) -> f32 {
    /// 2^112, the difference of the exponents' biases.
    const SHIFT: f32 = f32::from_bits(239 << 23);
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * SHIFT;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

#[inline(always)]
fn widened_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[inline(always)]
fn widen_pairs(bytes: &[u8], out: &mut [f32], widened: impl Fn(u16) -> f32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
        *out = widened(u16::from_le_bytes(*bytes));
    }
}

/// In the order of sums of the product of f32 numbers, so that it has the same bits.
#[inline(always)]
fn dot_of_pairs(bytes: &[u8], x: &[f32], widened: impl Fn(u16) -> f32) -> f32 {
    let pairs = bytes.as_chunks::<2>().0;
    let mut totals = [0.0f32; LANES];
    let (eights, rest) = pairs.as_chunks::<LANES>();
    for (eight, x) in eights.iter().zip(x.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            totals[lane] += x[lane] * widened(u16::from_le_bytes(eight[lane]));
        }
    }
    let rest = rest.iter().zip(&x[eights.len() * LANES..]);
    let rest: f32 = rest.map(|(pair, x)| x * widened(u16::from_le_bytes(*pair))).sum();
    totals.iter().sum::<f32>() + rest
}

/// A packed matrix as a tensor: itself, or its transpose; with the adapters that are added to it.
#[derive(Clone)]
pub(super) struct Frozen {
    pub packed: Arc<Packed>,
    pub transposed: bool,
    pub adapters: Arc<Vec<LowRank>>,
}

/// An adapter of some outputs of a linear layer: `scale * A B`.
pub(super) struct LowRank {
    /// `[inputs, rank]`
    pub a: CpuTensor<2>,
    /// `[rank, outputs]`
    pub b: CpuTensor<2>,
    pub first_output: usize,
    pub scale: f32,
}

impl Frozen {
    pub fn shape(&self) -> [usize; 2] {
        let [rows, columns] = self.packed.shape();
        if self.transposed { [columns, rows] } else { [rows, columns] }
    }

    /// All numbers, widened, row-major, with the adapters added.
    pub fn to_vec(&self) -> Vec<f32> {
        let [rows, columns] = self.packed.shape();
        let mut out = vec![0.0; rows * columns];
        for row in 0..rows {
            let values = self.packed.row(row);
            match self.transposed {
                false => out[row * columns..][..columns].copy_from_slice(&values),
                true => out[row..].iter_mut().step_by(rows).zip(values).for_each(|(place, value)| *place = value),
            }
        }
        let [inputs, outputs] = self.shape();
        for LowRank { a, b, first_output, scale } in &*self.adapters {
            let [rank, changed] = b.dims();
            let (left, right) = (Matrix::new(a.values(), 0, rank, 1), Matrix::new(b.values(), 0, changed, 1));
            multiply(
                inputs,
                changed,
                rank,
                *scale,
                left,
                right,
                MatrixMut::new(&mut out, *first_output, outputs, 1).adding(),
            );
        }
        out
    }
}

/// Makes a tensor of the CPU of a packed matrix: of the matrix itself, `[rows, columns]`, or of its transpose, as linear
/// layers are. Products, embeddings and read-backs read it; nothing writes it.
pub fn frozen(packed: &Arc<Packed>, transposed: bool) -> Tensor<2> {
    let frozen = Frozen { packed: packed.clone(), transposed, adapters: Arc::default() };
    CpuTensor::frozen(frozen).into()
}

/// Packs numbers that a form of 16 bits, or `Q8_0` after rounding, can hold.
#[cfg(test)]
pub(crate) fn packed(form: Form, shape: [usize; 2], values: &[f32]) -> Packed {
    let mut bytes = Vec::new();
    match form {
        Form::F16 => values.iter().for_each(|&value| bytes.extend(half::f16::from_f32(value).to_le_bytes())),
        Form::Bf16 => values.iter().for_each(|&value| bytes.extend(half::bf16::from_f32(value).to_le_bytes())),
        Form::Q8 | Form::Offset | Form::Scaled => {
            for block in values.chunks_exact(BLOCK) {
                let largest = block.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
                let scale = half::f16::from_f32(largest / 127.0);
                let scales = [scale.to_f32(), scale.to_f32() / 2.0, largest / 10.0];
                match form {
                    Form::Q8 => bytes.extend(scale.to_le_bytes()),
                    Form::Offset => [scale, scale * half::f16::from_f32(-3.0)].iter().for_each(|number| {
                        bytes.extend(number.to_le_bytes());
                    }),
                    _ => scales.iter().for_each(|number| bytes.extend(number.to_le_bytes())),
                }
                bytes.extend(block.iter().map(|value| (value / scale.to_f32()).round() as i8 as u8));
            }
        }
    }
    Packed::new(form, shape, bytes).expect("whole blocks")
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use half::f16;

    use super::*;
    use crate::{
        config::Activation,
        model::{Ids, Targets},
        ops::{
            Flat, Gradients, LoraGradient, Scalars, adapted, embed, head, input_gradient,
            input_gradient_through_activation, linear, linear_activated, linear_residual, tensor,
            testing::{assert_close, device, random, values},
        },
    };

    const FORMS: [Form; 5] = [Form::F16, Form::Bf16, Form::Q8, Form::Offset, Form::Scaled];

    /// A packed matrix `[rows, columns]`, and the same numbers with 32 bits; as they are, or transposed.
    fn both(form: Form, [rows, columns]: [usize; 2], seed: u64, transposed: bool) -> [Tensor<2>; 2] {
        let packed = Arc::new(packed(form, [rows, columns], &values(&random([rows, columns], seed))));
        let frozen = frozen(&packed, transposed);
        let widened = tensor(values(&frozen), frozen.dims(), &device());
        [frozen, widened]
    }

    /// Sizes with and without a whole strip of columns and block of rows, a single row, and more than one part of the
    /// inner axis.
    const SIZES: [[usize; 3]; 5] = [[7, 64, 24], [1, 96, 19], [5, 32, 3], [4, 544, 40], [1, 32, 8]];

    #[test]
    fn layers_of_a_frozen_matrix_are_those_of_its_widened_numbers() {
        for (form, [rows, inputs, outputs]) in FORMS.into_iter().flat_map(|form| SIZES.map(|sizes| (form, sizes))) {
            let [frozen, widened] = both(form, [outputs, inputs], 1, true);
            assert_eq!(frozen.dims(), [inputs, outputs]);
            let (x, bias, gradient) = (random([rows, inputs], 2), random([outputs], 3), random([rows, outputs], 4));
            let (residual, before) = (random([rows, outputs], 5), random([rows, inputs], 6));
            let rank = 3;
            let place =
                LoraGradient { a: 0..inputs * rank, b: 2048..2048 + rank * (outputs - 1), rank, first_output: 1 };
            let flat = Flat::new(values(&random([2304], 7)), 2304, &device());
            let with_adapter = |weight: &Tensor<2>| adapted(weight, &flat, from_ref(&place), 0.7);
            let name = |what: &str| format!("{what} of {rows} x {inputs} x {outputs} as {form:?}");
            for (frozen, widened) in
                [(frozen.clone(), widened.clone()), (with_adapter(&frozen), with_adapter(&widened))]
            {
                assert_close(&tensor(values(&frozen), frozen.dims(), &device()), &widened, &name("numbers"));
                assert_close(&linear(&x, &frozen, &bias), &linear(&x, &widened, &bias), &name("linear"));
                let activation = Activation::Silu;
                let right = linear_activated(&x, &widened, &bias, activation);
                assert_close(&linear_activated(&x, &frozen, &bias, activation).1, &right.1, &name("activated"));
                let right = linear_residual(&x, &widened, &bias, &residual, None);
                assert_close(&linear_residual(&x, &frozen, &bias, &residual, None), &right, &name("residual"));
                let right = input_gradient(&gradient, &widened);
                assert_close(&input_gradient(&gradient, &frozen), &right, &name("input gradient"));
                let right = input_gradient_through_activation(&gradient, &widened, &before, activation);
                let got = input_gradient_through_activation(&gradient, &frozen, &before, activation);
                assert_close(&got, &right, &name("gradient through the activation"));
            }
        }
    }

    #[test]
    fn embedding_and_head_of_a_frozen_table_are_those_of_its_widened_numbers() {
        for (form, rows) in FORMS.into_iter().flat_map(|form| [1, 6].map(|rows| (form, rows))) {
            let (vocabulary, width) = (37, 64);
            let [frozen, widened] = both(form, [vocabulary, width], 1, false);
            let numbers: Vec<u32> = (0..rows as u32).map(|row| row * 7 % 37).collect();
            let ids = Ids::new(numbers.clone(), 1, vocabulary).unwrap();
            let positions = random([8, width], 2);
            for positions in [None, Some(&positions)] {
                let right = embed(&ids, from_ref(&widened), positions, 0, None);
                assert_close(&embed(&ids, from_ref(&frozen), positions, 0, None), &right, "embedding");
            }
            let hidden = random([rows, width], 3);
            let right = head::logits(&hidden, from_ref(&widened));
            assert_close(&head::logits(&hidden, from_ref(&frozen)), &right, &format!("logits as {form:?}"));
            let targets = Targets::new(numbers, vocabulary).unwrap();
            let gradient = |table: &Tensor<2>| {
                let (mut scalars, mut gradients) = (Scalars::new(&device()), Gradients::new(64, &[], &device()));
                let scalar = scalars.add();
                let table = from_ref(table);
                let out = head::loss_and_gradient(&hidden, table, &targets, &mut scalars, scalar, None, &mut gradients);
                (scalars.as_slice()[0], out)
            };
            let ((loss, got), (right_loss, right)) = (gradient(&frozen), gradient(&widened));
            assert!((loss - right_loss).abs() < 1e-6 * right_loss);
            assert_close(&got, &right, &format!("gradient of the hidden states as {form:?}"));
        }
    }

    /// What products with 16 bits a number give is the same to the bit as with the widened ones, where the order of sums
    /// is: in products of several rows, and of one row with the head.
    #[test]
    fn products_of_several_rows_have_the_same_bits() {
        for form in FORMS {
            let [frozen, widened] = both(form, [24, 544], 1, true);
            let (x, bias) = (random([6, 544], 2), random([24], 3));
            assert_eq!(values(&linear(&x, &frozen, &bias)), values(&linear(&x, &widened, &bias)), "{form:?}");
        }
        for form in [Form::F16, Form::Bf16] {
            let [frozen, widened] = both(form, [37, 70], 1, false);
            let hidden = random([1, 70], 2);
            let [got, right] = [&frozen, &widened].map(|table| values(&head::logits(&hidden, from_ref(table))));
            assert_eq!(got, right, "{form:?}");
        }
    }

    #[test]
    fn every_finite_number_of_16_bits_is_widened_as_half_does() {
        for bits in 0..=u16::MAX {
            let [right, right_bf16] = [f16::from_bits(bits).to_f32(), half::bf16::from_bits(bits).to_f32()];
            if right.is_finite() {
                assert_eq!(widened_f16(bits).to_bits(), right.to_bits(), "{bits}");
            }
            if right_bf16.is_finite() {
                assert_eq!(widened_bf16(bits).to_bits(), right_bf16.to_bits(), "{bits}");
            }
        }
    }

    #[test]
    fn bytes_of_another_shape_are_refused() {
        assert!(Packed::new(Form::Q8, [2, 48], vec![0; 102]).is_none());
        assert!(Packed::new(Form::F16, [2, 3], vec![0; 11]).is_none());
        assert!(Packed::new(Form::F16, [usize::MAX, 3], vec![]).is_none());
        assert!(Packed::new(Form::Scaled, [2, 64], vec![0; 176]).is_some());
    }
}
