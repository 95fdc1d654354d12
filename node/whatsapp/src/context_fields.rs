//! Where the context of a message stands: the generated types share no trait, so the fields that carry one are listed
//! here, once.

use buffa::MessageField;
use waproto::whatsapp as wa;

/// Calls the macro with every field of a message that carries a context.
macro_rules! with_context_fields {
    ($each:ident, $message:expr) => {
        $each!(
            $message,
            extended_text_message,
            image_message,
            video_message,
            ptv_message,
            audio_message,
            document_message,
            sticker_message,
            sticker_pack_message,
            location_message,
            live_location_message,
            contact_message,
            contacts_array_message,
            poll_creation_message,
            poll_creation_message_v2,
            poll_creation_message_v3,
            poll_creation_message_v5,
            poll_creation_message_v6,
            event_message,
            interactive_message,
            interactive_response_message,
            buttons_message,
            buttons_response_message,
            list_message,
            list_response_message,
            template_message,
            template_button_reply_message,
            group_invite_message,
            newsletter_admin_invite_message,
            product_message,
            order_message,
            album_message
        )
    };
}

/// The context of a message.
pub(crate) fn of(message: &wa::Message) -> Option<&wa::ContextInfo> {
    macro_rules! first {
        ($message:expr, $($field:ident),*) => {
            $(if let Some(part) = $message.$field.as_option() {
                return part.context_info.as_option();
            })*
        };
    }
    with_context_fields!(first, message);
    None
}

/// The context of a message to write to. A bare text becomes one that can carry a context; nothing where the kind
/// carries none.
pub(crate) fn of_mut(message: &mut wa::Message) -> Option<&mut wa::ContextInfo> {
    if let Some(text) = message.conversation.take() {
        message.extended_text_message = MessageField::some(wa::message::ExtendedTextMessage {
            text: Some(text),
            ..Default::default()
        });
    }
    macro_rules! first {
        ($message:expr, $($field:ident),*) => {
            $(if $message.$field.is_set() {
                return $message
                    .$field
                    .as_option_mut()
                    .map(|part| part.context_info.get_or_insert_default());
            })*
        };
    }
    with_context_fields!(first, message);
    None
}

/// Takes the context away.
pub(crate) fn clear(message: &mut wa::Message) {
    macro_rules! all {
        ($message:expr, $($field:ident),*) => {
            $(if let Some(part) = $message.$field.as_option_mut() {
                part.context_info = MessageField::none();
            })*
        };
    }
    with_context_fields!(all, message);
}
