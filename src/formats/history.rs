//! Stores the training history as tensors. Rows of F64 hold numbers, NaN where there is none; samples are JSON, an
//! array of `{"step", "text"}` in UTF-8.

use std::array;

use safetensors::tensor::Dtype;

use super::safetensors::{Header, Numbers, Tensor};
use crate::{
    error::{Error, Result},
    train::{Evaluation, Sample, StepRecord},
};

/// `[steps, 4]` of F64: step, loss, gradient norm, learning rate.
pub const STEPS: &str = "lorito.steps";
/// `[evaluations, 5]` of F64: step, training loss, validation loss, perplexity, bits per byte.
pub const EVALUATIONS: &str = "lorito.evaluations";
/// `[bytes]` of U8.
pub const SAMPLES: &str = "lorito.samples";

type StepRow = [f64; 4];
type EvaluationRow = [f64; 5];

/// Largest step number: whole numbers up to here are exact in F64, and so are sums of a few of them.
pub const LARGEST_STEP: u64 = 1 << 52;

/// A table as a tensor.
pub fn rows<'a, const COLUMNS: usize>(name: &str, rows: &'a [[f64; COLUMNS]]) -> Tensor<'a> {
    let bytes = bytemuck::cast_slice(rows.as_flattened());
    Tensor { name: name.into(), dtype: Dtype::F64, shape: vec![rows.len(), COLUMNS], numbers: Numbers::Bytes(bytes) }
}

/// Samples as a tensor's bytes.
pub fn sample_bytes(samples: &[Sample]) -> Vec<u8> {
    serde_json::to_vec(samples).expect("strings and numbers can be written")
}

pub fn samples(bytes: &[u8]) -> Tensor<'_> {
    Tensor { name: SAMPLES.into(), dtype: Dtype::U8, shape: vec![bytes.len()], numbers: Numbers::Bytes(bytes) }
}

/// Checks that [`STEPS`] is a table of steps.
pub fn check_steps(header: &Header) -> Result<()> {
    let length = first_axis(header, STEPS);
    header.check(STEPS, Dtype::F64, &[length, size_of::<StepRow>() / 8])
}

/// The same for [`EVALUATIONS`] and [`SAMPLES`].
pub fn check_evaluations(header: &Header) -> Result<()> {
    let length = first_axis(header, EVALUATIONS);
    header.check(EVALUATIONS, Dtype::F64, &[length, size_of::<EvaluationRow>() / 8])?;
    header.check(SAMPLES, Dtype::U8, &[first_axis(header, SAMPLES)])
}

fn first_axis(header: &Header, name: &str) -> usize {
    header.shape(name).and_then(|shape| shape.first().copied()).unwrap_or(0)
}

pub fn read_steps(bytes: &[u8]) -> Result<Vec<StepRecord>> {
    read_rows(bytes, from_step_row)
}

pub fn read_evaluations(bytes: &[u8]) -> Result<Vec<Evaluation>> {
    read_rows(bytes, from_evaluation_row)
}

pub fn read_samples(bytes: &[u8]) -> Result<Vec<Sample>> {
    serde_json::from_slice(bytes).map_err(|error| damaged(format!("the samples cannot be read: {error}")))
}

fn read_rows<T, const COLUMNS: usize>(bytes: &[u8], read: impl Fn([f64; COLUMNS]) -> Result<T>) -> Result<Vec<T>> {
    let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("8 bytes"));
    let rows = bytes.chunks_exact(8 * COLUMNS);
    rows.map(|row| read(array::from_fn(|column| number(&row[8 * column..][..8])))).collect()
}

pub fn step_row(record: &StepRecord) -> StepRow {
    let StepRecord { step, loss, gradient_norm, learning_rate } = *record;
    [step as f64, loss.into(), gradient_norm.into(), learning_rate]
}

fn from_step_row([step, loss, gradient_norm, learning_rate]: StepRow) -> Result<StepRecord> {
    let (loss, gradient_norm) = (loss as f32, gradient_norm as f32);
    Ok(StepRecord { step: to_step(step)?, loss, gradient_norm, learning_rate })
}

pub fn evaluation_row(evaluation: &Evaluation) -> EvaluationRow {
    let Evaluation { step, train_loss, validation_loss, perplexity, bits_per_byte } = *evaluation;
    let number = |value: Option<f32>| value.map_or(f64::NAN, f64::from);
    [step as f64, number(train_loss), number(validation_loss), number(perplexity), number(bits_per_byte)]
}

fn from_evaluation_row(
    [step, train_loss, validation_loss, perplexity, bits_per_byte]: EvaluationRow,
) -> Result<Evaluation> {
    let number = |value: f64| (!value.is_nan()).then_some(value as f32);
    Ok(Evaluation {
        step: to_step(step)?,
        train_loss: number(train_loss),
        validation_loss: number(validation_loss),
        perplexity: number(perplexity),
        bits_per_byte: number(bits_per_byte),
    })
}

fn to_step(step: f64) -> Result<u64> {
    if !(0.0..=LARGEST_STEP as f64).contains(&step) || step.fract() != 0.0 {
        return Err(damaged(format!("{step} is no step")));
    }
    Ok(step as u64)
}

fn damaged(reason: String) -> Error {
    Error::CheckpointDamaged { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_survive_a_round_trip_and_invalid_steps_are_refused() {
        let record = StepRecord { step: LARGEST_STEP, loss: f32::MAX, gradient_norm: 1e-45, learning_rate: 1.0 / 3.0 };
        assert_eq!(from_step_row(step_row(&record)), Ok(record));
        for step in [-1.0, 0.5, f64::NAN, f64::INFINITY, (1u64 << 53) as f64] {
            assert_eq!(from_step_row([step, 1.0, 1.0, 1.0]).unwrap_err().code(), "checkpoint-damaged");
            assert_eq!(from_evaluation_row([step, 1.0, 1.0, 1.0, 1.0]).unwrap_err().code(), "checkpoint-damaged");
        }
    }

    #[test]
    fn evaluations_with_missing_values_survive_a_round_trip() {
        let whole = Evaluation {
            step: 7,
            train_loss: Some(f32::MIN_POSITIVE),
            validation_loss: Some(2.5),
            perplexity: Some(f32::INFINITY),
            bits_per_byte: Some(-0.0),
        };
        let lacking =
            Evaluation { train_loss: None, validation_loss: None, perplexity: None, bits_per_byte: None, ..whole };
        for evaluation in [whole, lacking] {
            assert_eq!(from_evaluation_row(evaluation_row(&evaluation)), Ok(evaluation));
        }
    }
}
