//! Encodes documents that are conversations, by the chat template of the model.

use std::ops::Range;

use crate::{
    chat::{self, ChatEncoder, Encoded},
    error::Result,
    tokenizer::{TokenIds, Tokenizer},
    train::ContextRanges,
};

/// Returns the ids of documents, of which some or all are conversations, and the places in them that do not count in
/// the loss. The end of text that follows a conversation does not count: the answer has ended before it.
///
/// # Errors
/// Those of [`ChatEncoder::encode`].
pub fn encode(
    tokenizer: &Tokenizer,
    encoder: &mut ChatEncoder<'_>,
    documents: &[&str],
) -> Result<(TokenIds, Vec<Range<u32>>)> {
    let mut ids = TokenIds::with_width(TokenIds::width(tokenizer.vocabulary()));
    let mut context = ContextRanges::default();
    let mut plain = tokenizer.encoder();
    for document in documents {
        let start = ids.len();
        if let Some((messages, only_read)) = chat::read(document) {
            let Encoded { ids: turns, learned } = encoder.encode(&messages, &only_read)?;
            let mut from = start;
            for places in learned {
                context.push(from..start + places.start);
                from = start + places.end;
            }
            let end = turns.len() + usize::from(tokenizer.end_of_text().is_some());
            context.push(from..start + end);
            ids.extend(turns);
        } else {
            ids.extend(plain.encode_document(document));
        }
        ids.extend(tokenizer.end_of_text());
    }
    Ok((ids, context.finish()))
}
