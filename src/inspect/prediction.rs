//! Converts a row of logits into probabilities, ranks and surprise.

use super::plain::softmax;

/// A candidate for the next token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Its token id.
    pub id: u32,
    /// Its probability, from 0 to 1.
    pub probability: f32,
}

/// The probability of each token to be the next.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// `[vocabulary]`; they sum to 1.
    pub probabilities: Vec<f32>,
}

impl Prediction {
    /// Computes the probabilities of a row of logits. Ids that cannot be drawn, those from `vocabulary` on and those in
    /// `unused`, get 0, as in generation.
    pub fn new(logits: &[f32], vocabulary: usize, unused: &[u32]) -> Self {
        let mut probabilities = logits.to_vec();
        let dead = |id: &u32| (*id as usize) < logits.len();
        for id in unused.iter().copied().filter(dead).chain(vocabulary.min(logits.len()) as u32..logits.len() as u32) {
            probabilities[id as usize] = f32::NEG_INFINITY;
        }
        softmax(&mut probabilities);
        Self { probabilities }
    }

    /// The `count` likeliest tokens, the likeliest first; ties go to the lower id.
    pub fn likeliest(&self, count: usize) -> Vec<Candidate> {
        let each = self.probabilities.iter().enumerate();
        let mut all: Vec<Candidate> = each.map(|(id, &probability)| Candidate { id: id as u32, probability }).collect();
        let order = |a: &Candidate, b: &Candidate| b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id));
        if count < all.len() {
            all.select_nth_unstable_by(count, order);
            all.truncate(count);
        }
        all.sort_unstable_by(order);
        all
    }

    /// The probability of a token.
    pub fn of(&self, id: u32) -> f32 {
        self.probabilities.get(id as usize).copied().unwrap_or(0.0)
    }

    /// The surprise of a token in bits: minus the binary logarithm of its probability, at most 149 because of the
    /// smallest positive `f32`.
    pub fn surprise(&self, id: u32) -> f32 {
        -self.of(id).max(f32::from_bits(1)).log2()
    }

    /// The rank of a token by probability, from 1.
    pub fn rank(&self, id: u32) -> usize {
        let own = self.of(id);
        1 + self.probabilities.iter().filter(|&&other| other > own).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_become_probabilities_ranks_and_bits() {
        let prediction = Prediction::new(&[0.0, 2f32.ln(), 5f32.ln(), 0.0, 9.0, 9.0], 5, &[4, 90]);
        for (id, right) in [1.0, 2.0, 5.0, 1.0, 0.0, 0.0].into_iter().enumerate() {
            assert!((prediction.of(id as u32) - right / 9.0).abs() < 1e-6, "{id}");
        }
        let ids: Vec<u32> = prediction.likeliest(4).iter().map(|candidate| candidate.id).collect();
        assert_eq!(ids, [2, 1, 0, 3]);
        assert_eq!(prediction.likeliest(99).len(), 6);
        assert_eq!((prediction.rank(2), prediction.rank(3)), (1, 3));
        assert!((prediction.surprise(0) - 9f32.log2()).abs() < 1e-5);
        assert_eq!(prediction.surprise(4), 149.0);
    }
}
