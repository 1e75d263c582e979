//! Tests of the crate's promises, a file or a folder each. They are one program, as linking each one with all of Burn
//! would take two minutes more.

mod adapters;
mod carry_on;
mod chat;
mod chat_templates;
mod conversations;
mod copied;
mod corpus;
mod corpus_size;
mod divided;
mod engines;
mod families;
mod formats;
mod fuzz;
mod hugging_face;
mod inspecting;
mod memory;
mod peft_forms;
mod pretrained;
mod pretrained_forms;
mod pretrained_gguf;
mod pretrained_torch;
mod run;
mod session;
mod settings;
mod shaders;
mod side_by_side;
mod token_ids;
mod tokenizer;
mod tokenizer_families;
mod tokenizer_files;
mod tokenizers_from_elsewhere;
mod training;
mod training_reference;
mod whatsapp;
mod whatsapp_languages;
