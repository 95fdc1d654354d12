//! The context that most kinds of content carry: quotes, mentions, forwarding, lifetimes. One list of these kinds, to read it and
//! to write it.

use waproto::whatsapp as wa;

/// Calls a macro with the field of every kind of content that has a context.
macro_rules! with_kinds {
    ($then:ident) => {
        $then!(
            extended_text_message,
            image_message,
            video_message,
            ptv_message,
            audio_message,
            document_message,
            sticker_message,
            location_message,
            live_location_message,
            contact_message,
            contacts_array_message,
            poll_creation_message,
            poll_creation_message_v3,
            event_message,
            group_invite_message,
            album_message,
            sticker_pack_message,
            buttons_message,
            list_message,
            template_message,
            interactive_message,
            buttons_response_message,
            list_response_message,
            template_button_reply_message,
            interactive_response_message
        )
    };
}

/// The context of a message without wrappers.
pub(super) fn of(message: &wa::Message) -> Option<&wa::ContextInfo> {
    macro_rules! first {
        ($($field:ident),*) => {
            None$(.or_else(|| message.$field.as_option()?.context_info.as_option()))*
        };
    }
    with_kinds!(first)
}

/// Puts a context into whatever content there is. Returns whether that takes one.
pub(super) fn set(message: &mut wa::Message, context: wa::ContextInfo) -> bool {
    macro_rules! first {
        ($($field:ident),*) => {
            $(if let Some(content) = message.$field.as_option_mut() {
                content.context_info = context.into();
                return true;
            })*
        };
    }
    with_kinds!(first);
    false
}
