//! Training that goes on elsewhere: what the Hugging Face folder holds for it besides the model. The text itself is never
//! in it; the person gives it to the script again.

use serde_json::{Value, json};

use super::ModelFile;
use crate::train::most_validation_windows;

/// Trains with transformers and accelerate; reads [`LAST_RUN`], and the text with [`TEXT`].
pub const SCRIPT: &str = include_str!("continue_training.py");

/// How the script reads the text: as the page does.
pub const TEXT: &str = include_str!("training_text.py");

/// A notebook for Google Colab that calls the script.
pub const NOTEBOOK: &str = include_str!("continue_training.ipynb");

/// The name of the file that [`last_run`] fills.
pub const LAST_RUN: &str = "lorito_training.json";

/// How the model was trained last, so that the script goes on alike and compares its losses with the page's.
pub fn last_run(file: &ModelFile) -> Value {
    let (config, facts) = (&file.progress.config, &file.facts);
    let evaluation = file.history.last_evaluation().map(|last| {
        json!({
            "step": last.step,
            "validation_loss": last.validation_loss,
            "most_windows": most_validation_windows(config),
        })
    });
    json!({
        "created_with": format!("Lorito {}", env!("CARGO_PKG_VERSION")),
        "step": file.progress.step,
        // Tokens in a window; an opened model's own configuration may state more.
        "context": file.config.context,
        "evaluation": evaluation,
        "text": {
            "documents": facts.documents,
            "characters": facts.characters,
            "train_tokens": facts.train_tokens,
            "validation_tokens": facts.validation_tokens,
            "held_back": facts.held_back,
        },
        "training": {
            "steps": config.steps,
            "batch_size": config.batch_size,
            "gradient_accumulation": config.gradient_accumulation,
            "learning_rate": config.learning_rate,
            "warmup_steps": config.warmup_steps,
            "weight_decay": config.weight_decay,
            "beta1": config.beta1,
            "beta2": config.beta2,
            "grad_clip": config.grad_clip,
            "eval_every": config.eval_every,
            "seed": config.seed,
        },
    })
}
