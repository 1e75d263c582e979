//! GELU in the tanh approximation, as GPT-2 has it (Hendrycks & Gimpel 2016; `gelu_new` in transformers).

use super::exponential::tanh;

pub(super) const SQRT_2_OVER_PI: f32 = 0.797_884_6;
pub(super) const CUBE: f32 = 0.044_715;

#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x)))
}

#[inline(always)]
pub(super) fn slope(x: f32) -> f32 {
    let t = tanh(SQRT_2_OVER_PI * x * (1.0 + CUBE * x * x));
    let inner = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBE * x * x);
    0.5 * (1.0 + t + x * (1.0 - t * t) * inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_formula() {
        let right = [(-2.0, -0.045_402_3), (-0.5, -0.154_286), (0.0, 0.0), (1.0, 0.841_192), (3.0, 2.996_363)];
        for (x, right) in right {
            assert!((gelu(x) - right).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn slope_is_that_of_the_values() {
        for step in -50..50 {
            let x = step as f32 * 0.1;
            let difference = (f64::from(gelu(x + 1e-2)) - f64::from(gelu(x - 1e-2))) / 2e-2;
            assert!((difference - f64::from(slope(x))).abs() < 1e-3, "{x}");
        }
    }
}
