//! What modifies a message: quotes, mentions, previews, forwarding, lifetimes. It sits in the context
//! that most kinds of content carry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use waproto::whatsapp as wa;

use super::{ComposeError, Destination};
use crate::draft::{LinkPreview, Outgoing};
use crate::phone::{Known, context};

/// The modifiers of one message.
pub(super) struct Reference<'a> {
    context: wa::ContextInfo,
    used: bool,
    preview: Option<&'a LinkPreview>,
    background: Option<u32>,
}

impl<'a> Reference<'a> {
    pub(super) fn new(out: &'a Outgoing) -> Self {
        let context = wa::ContextInfo {
            mentioned_jid: out.mentions.iter().map(|who| address(who)).collect(),
            is_forwarded: out.forwarded.map(|_| true),
            forwarding_score: out.forwarded,
            expiration: out.ephemeral,
            ..Default::default()
        };
        Self {
            used: !out.mentions.is_empty() || out.forwarded.is_some() || out.ephemeral.is_some(),
            context,
            preview: out.preview.as_ref(),
            background: out.background,
        }
    }

    /// The message answers an earlier one.
    pub(super) fn quote(&mut self, known: &Known, id: &str, to: &Destination) {
        let mut quoted = known.message();
        quoted.message_context_info = None.into();
        self.context.stanza_id = Some(id.to_owned());
        self.context.participant = Some(known.author.jid(to.by_lid));
        self.context.quoted_message = quoted.into();
        if *known.chat != *to.chat && known.chat.ends_with("@broadcast") {
            self.context.remote_jid = Some(known.chat.to_string());
        }
        self.used = true;
    }

    /// Puts the modifiers into a message.
    pub(super) fn apply(self, message: &mut wa::Message) -> Result<(), ComposeError> {
        let rich = self.used || self.preview.is_some() || self.background.is_some();
        if rich && let Some(text) = message.conversation.take() {
            message.extended_text_message = wa::message::ExtendedTextMessage {
                text: Some(text),
                ..Default::default()
            }
            .into();
        }
        if let Some(preview) = self.preview {
            let Some(text) = message.extended_text_message.as_option_mut() else {
                return Err(ComposeError::Invalid("only texts have a link preview"));
            };
            text.matched_text = Some(preview.url.clone());
            text.title.clone_from(&preview.title);
            text.description.clone_from(&preview.description);
            let thumbnail = preview.thumbnail.as_ref().map(|t| STANDARD.decode(t));
            let thumbnail = thumbnail.transpose();
            text.jpeg_thumbnail =
                thumbnail.map_err(|_| ComposeError::Invalid("thumbnail is not base64"))?;
        }
        if let Some(colour) = self.background
            && let Some(text) = message.extended_text_message.as_option_mut()
        {
            text.background_argb = Some(colour);
        }
        if self.used && !context::set(message, self.context) {
            return Err(ComposeError::Invalid(
                "this kind of message has no quote, mentions, forwarding or lifetime",
            ));
        }
        Ok(())
    }
}

/// Numbers become addresses; addresses stay.
fn address(who: &str) -> String {
    if who.contains('@') {
        who.to_owned()
    } else {
        format!("{who}@s.whatsapp.net")
    }
}
