//! Generates texts and chat answers, token by token.

use super::{GenerateOptions, Model, Session, Writing, cpu_writer::CpuWriter};
use crate::{
    chat,
    error::{Error, Result},
    generate::{Generation, LeftOut, Window},
    model::Gpt,
    ops,
};

impl Session {
    /// Starts a generation that continues `prompt`; [`Session::next_token`] then returns its text. A generation in
    /// progress is dropped.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::SettingOutOfRange`] if a sampling setting is outside its
    /// limits.
    pub fn begin_generation(&mut self, prompt: &str, options: GenerateOptions) -> Result<()> {
        self.writing = Some(self.begin_writing(prompt, options)?);
        Ok(())
    }

    /// Starts a generation that continues token ids. If they end within a character, the text begins with that
    /// character.
    ///
    /// # Errors
    /// Those of [`Session::begin_generation`]; [`Error::TokenOutOfRange`] if an id is outside the vocabulary.
    pub fn begin_generation_after(&mut self, ids: &[u32], options: GenerateOptions) -> Result<()> {
        let mut writing = self.begin_writing_after(ids, options)?;
        for &id in ids {
            writing.decoder.push(id)?;
        }
        self.writing = Some(writing);
        Ok(())
    }

    pub(super) fn begin_writing(&self, prompt: &str, options: GenerateOptions) -> Result<Writing> {
        let ids = if prompt.is_empty() { Vec::new() } else { self.model()?.tokenizer.encode_from_start(prompt) };
        self.begin_writing_after(&ids, options)
    }

    fn begin_writing_after(&self, ids: &[u32], options: GenerateOptions) -> Result<Writing> {
        let Model { tokenizer, .. } = self.model()?;
        let (gpt, by_copy) = self.writer()?;
        let GenerateOptions { max_tokens, sampling, cache, adapter } = options;
        let ends = &tokenizer.roles().ends;
        let generation = Generation::new(gpt, ids, sampling, max_tokens, tokenizer.start(), ends, cache)?;
        let generation = generation.among(tokenizer.vocabulary(), tokenizer.unused());
        let generation = if adapter { generation } else { generation.without_adapter(gpt) };
        Ok(Writing { generation, by_copy, decoder: tokenizer.decoder(), answer: None })
    }

    /// Starts the answer to a conversation that ends with a turn of the user. The answer ends with a special token of
    /// the chat template or, for a model without one, with a line of the transcript that begins another turn. Returns
    /// which part of the conversation does not fit into the context.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::NoQuestion`] if the last message is not one of the user;
    /// [`Error::SystemNotFirst`] if a later message is a system message; [`Error::SettingOutOfRange`] if a sampling
    /// setting is outside its limits; those of the chat template (`chat::ChatEncoder`).
    pub fn begin_chat(&mut self, messages: &[chat::Message], options: GenerateOptions) -> Result<LeftOut> {
        let Model { tokenizer, .. } = self.model()?;
        let (gpt, by_copy) = self.writer()?;
        let GenerateOptions { max_tokens, sampling, cache, adapter } = options;
        let window = Window::of_conversation(chat::prompt(messages, tokenizer)?, gpt.config.context, max_tokens);
        let left_out = window.left_out();
        let generation = Generation::in_window(gpt, window, sampling, max_tokens, chat::ends(tokenizer)?, cache)?;
        let generation = generation.among(tokenizer.vocabulary(), tokenizer.unused());
        let generation = if adapter { generation } else { generation.without_adapter(gpt) };
        let answer = chat::template(tokenizer).is_none().then(chat::Answer::default);
        self.writing = Some(Writing { generation, by_copy, decoder: tokenizer.decoder(), answer });
        Ok(left_out)
    }

    /// The model that generates, or its copy on the CPU; and whether it is the copy.
    fn writer(&self) -> Result<(&Gpt, bool)> {
        let Model { gpt, cpu_writer, .. } = self.model()?;
        Ok(cpu_writer.copy_of(gpt).map_or((gpt, false), |copy| (copy, true)))
    }

    /// Returns the distinct characters of a text that the tokenizer of the model has no token for, so that the model
    /// never sees them.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model.
    pub fn unknown_to_model(&self, text: &str) -> Result<String> {
        Ok(self.model()?.tokenizer.unknown_characters(text).into_iter().collect())
    }

    /// Returns which part of the conversation the model does not see any more. It grows during a long answer, which
    /// pushes turns out of the context.
    pub fn left_out(&self) -> LeftOut {
        self.writing.as_ref().map(|writing| writing.generation.left_out()).unwrap_or_default()
    }

    /// Draws the next token and returns the text that it completes, which is empty in the middle of a character.
    /// Returns `None` at the end of the text, and if no generation was started.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU
    /// fails.
    pub async fn next_token(&mut self) -> Result<Option<String>> {
        let model = self.model.as_ref().ok_or(Error::NoModel)?;
        let Some(writing) = &mut self.writing else { return Ok(None) };
        writing.next(&model.gpt, &model.cpu_writer).await
    }

    /// Ends the generation and returns the remaining text: what is left of an incomplete character or line.
    pub fn end_generation(&mut self) -> String {
        self.writing.take().map_or_else(String::new, Writing::finish)
    }

    /// Returns the logits `[vocabulary]` after the last of `ids`, of which the model reads the last context. Without
    /// ids it reads the token that begins a text.
    ///
    /// # Errors
    /// [`Error::NoModel`] if there is no model; [`Error::TokenOutOfRange`] if an id is outside the vocabulary;
    /// [`Error::DeviceLost`] or [`Error::GpuCommandRejected`] if the GPU fails.
    pub async fn logits(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let Model { gpt, tokenizer, .. } = self.model()?;
        let start = [tokenizer.start()];
        let ids = if ids.is_empty() { &start } else { &ids[ids.len().saturating_sub(gpt.config.context)..] };
        Ok(ops::read(gpt.last_logits(&gpt.ids(ids.to_vec())?)).await?)
    }
}

impl Writing {
    /// The next piece of text, for [`Session::next_token`].
    pub(super) async fn next(&mut self, gpt: &Gpt, cpu_writer: &CpuWriter) -> Result<Option<String>> {
        if self.answer.as_ref().is_some_and(chat::Answer::has_ended) {
            return Ok(None);
        }
        let copy = cpu_writer.copy_of(gpt).filter(|_| self.by_copy);
        let Some(id) = self.generation.next(copy.unwrap_or(gpt)).await? else { return Ok(None) };
        let text = self.decoder.push(id)?;
        Ok(Some(match &mut self.answer {
            Some(answer) => answer.push(&text),
            None => text,
        }))
    }

    /// The rest of an incomplete character.
    pub(super) fn finish(self) -> String {
        let rest = self.decoder.finish();
        match self.answer {
            Some(answer) => answer.finish(&rest),
            None => rest,
        }
    }
}
