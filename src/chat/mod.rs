//! Reads conversations, and renders and encodes them by the chat template of a model.

mod clock;
mod encode;
mod exports;
mod jinja;
pub mod messengers;
mod prompt;
pub mod records;
mod template;
mod transcript;
pub mod whatsapp;

use serde::{Deserialize, Serialize};

pub use clock::present;
pub use encode::{ChatEncoder, Encoded};
pub use prompt::{end_of_turn, ends, prompt};
pub use template::{
    CHATML, CHATML_TOKENS, JINJA, ONLY_READ, TOKENS, is_chatml, read, read_preview, render, render_with, shown_turns,
    spoken, template, words,
};
pub use transcript::Answer;

/// The role of a speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Role {
    /// Instructions for the answers; at most once, first.
    System,
    /// The user, whose turns are not trained on.
    User,
    /// The assistant, whose turns are trained on.
    Assistant,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub struct Message {
    /// The speaker's role.
    pub role: Role,
    /// The text of the turn.
    pub content: String,
}
