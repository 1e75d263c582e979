//! Exponential and hyperbolic tangent in a form that the compiler vectorises: no branches, no table, no call. The C
//! library's versions are called once per number in WebAssembly and took a third of a training step there.

/// e^x for any finite x, within 2 units in the last place of f32's range, flushing to the range's ends outside it.
///
/// Splits x into a whole number of halvings and a rest within ln(2)/2, and takes the rest from a polynomial
/// (the minimax coefficients of Cephes' `expf`, S. Moshier, 1992).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves the nearest whole number in the low bits
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    // ln(2) in two parts, so that the subtraction is exact.
    let rest = (x - whole * 0.693_359_4) - whole * -2.121_944_4e-4;
    let mut polynomial = 1.987_569_1e-4;
    polynomial = polynomial * rest + 1.398_199_9e-3;
    polynomial = polynomial * rest + 8.333_452e-3;
    polynomial = polynomial * rest + 4.166_579_6e-2;
    polynomial = polynomial * rest + 1.666_666_5e-1;
    polynomial = polynomial * rest + 0.5;
    let fraction = polynomial * rest * rest + rest + 1.0;
    let power = (shifted.to_bits() << 23).wrapping_add(0x3f80_0000);
    fraction * f32::from_bits(power)
}

/// tanh(x), within 2e-7 absolute.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x.clamp(-20.0, 20.0)) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in -86_000..=87_000 {
            let x = step as f32 * 1e-3;
            let right = f64::from(x).exp();
            let error = (f64::from(exp(x)) - right).abs() / right;
            assert!(error < 2.4e-7, "exp({x}): relative error {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e30) < 1e-37 && exp(-1e30) >= 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn tanh_is_within_2e_7() {
        for step in -30_000..=30_000 {
            let x = step as f32 * 1e-3;
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() < 2.5e-7, "tanh({x})");
        }
    }
}
