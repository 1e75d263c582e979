//! Families of transformers that Lorito does not open, with the part that it lacks for each.

use serde::Serialize;

/// A part of an architecture that Lorito does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum MissingPart {
    /// Attention to the last tokens alone, in some or all layers.
    SlidingWindow,
    /// Several MLPs, of which each token uses a few.
    Experts,
    /// Layers with a state instead of attention: recurrent ones, state-space models, convolutions.
    Recurrent,
    /// Attention and MLP side by side instead of one after the other.
    ParallelBlocks,
    /// Positions as a penalty on the scores of attention.
    Alibi,
    /// Attention to later tokens: the model fills gaps, or translates, instead of continuing a text.
    Encoder,
    /// Norms after attention and MLP, or gains that are added to 1.
    OtherNorms,
    /// Rotary positions of a part of each head, or of neighbouring numbers.
    OtherRotation,
}

/// Beginnings of `model_type`, the longer ones first (`configuration_*.py` of transformers 5.24).
const FAMILIES: [(&str, MissingPart); 52] = {
    use MissingPart::*;
    [
        ("qwen2_moe", Experts),
        ("qwen3_moe", Experts),
        ("qwen3_next", Recurrent),
        ("qwen3_5", Recurrent),
        ("granitemoe", Experts),
        ("phimoe", Experts),
        ("mixtral", Experts),
        ("deepseek", Experts),
        ("olmoe", Experts),
        ("dbrx", Experts),
        ("gpt_oss", Experts),
        ("llama4", Experts),
        ("jamba", Recurrent),
        ("mamba", Recurrent),
        ("falcon_mamba", Recurrent),
        ("falcon_h1", Recurrent),
        ("recurrent_gemma", Recurrent),
        ("rwkv", Recurrent),
        ("lfm2", Recurrent),
        ("zamba", Recurrent),
        ("bamba", Recurrent),
        ("gemma", OtherNorms),
        ("olmo2", OtherNorms),
        ("olmo3", OtherNorms),
        ("olmo", OtherNorms),
        ("glm", OtherNorms),
        ("nemotron", OtherNorms),
        ("ministral", SlidingWindow),
        ("mistral", SlidingWindow),
        ("starcoder2", SlidingWindow),
        ("gpt_neox", ParallelBlocks),
        ("gpt_neo", SlidingWindow),
        ("gptj", ParallelBlocks),
        ("cohere", ParallelBlocks),
        ("codegen", ParallelBlocks),
        ("falcon", ParallelBlocks),
        ("phi3", SlidingWindow),
        ("phi", ParallelBlocks),
        ("stablelm", OtherRotation),
        ("persimmon", OtherRotation),
        ("smollm3", OtherRotation),
        ("bloom", Alibi),
        ("mpt", Alibi),
        ("bert", Encoder),
        ("roberta", Encoder),
        ("xlm", Encoder),
        ("distilbert", Encoder),
        ("modernbert", Encoder),
        ("electra", Encoder),
        ("t5", Encoder),
        ("bart", Encoder),
        ("mbart", Encoder),
    ]
};

impl MissingPart {
    /// What Lorito lacks for models of a `model_type`, if that is known.
    pub fn of(model_type: &str) -> Option<Self> {
        let found = FAMILIES.iter().find(|(beginning, _)| model_type.starts_with(beginning));
        found.map(|(_, part)| *part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_is_found() {
        for (family, part) in [
            ("gemma3_text", Some(MissingPart::OtherNorms)),
            ("qwen3_5_text", Some(MissingPart::Recurrent)),
            ("qwen3_moe", Some(MissingPart::Experts)),
            ("gpt_neox_japanese", Some(MissingPart::ParallelBlocks)),
            ("gpt_neo", Some(MissingPart::SlidingWindow)),
            ("falcon_mamba", Some(MissingPart::Recurrent)),
            ("falcon", Some(MissingPart::ParallelBlocks)),
            ("lfm2", Some(MissingPart::Recurrent)),
            ("something_new", None),
        ] {
            assert_eq!(MissingPart::of(family), part, "{family}");
        }
        for (index, (name, _)) in FAMILIES.iter().enumerate() {
            assert!(FAMILIES[..index].iter().all(|(before, _)| !name.starts_with(before)), "{name} comes too late");
        }
    }
}
