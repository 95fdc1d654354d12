//! Places, contact cards and invitations in messages.

use switchboard_vocab::ChatId;
use switchboard_vocab::content::{Body, Card, Invite, LiveLocation, Location};
use waproto::whatsapp as wa;

use super::body::{self, Said};

/// Most contact cards of one message that are kept. Source: WhatsApp's clients allow 257 contacts.
const CARDS_MAX: usize = 257;

/// Reads a place, cards or an invitation.
pub(super) fn read(message: &wa::Message) -> Option<Said> {
    read_place(message)
        .or_else(|| read_contacts(message))
        .or_else(|| read_invite(message))
}

/// A place as the protobuf has it.
pub(super) fn location(place: &wa::message::LocationMessage) -> Location {
    Location {
        latitude: place.degrees_latitude.unwrap_or(0.0),
        longitude: place.degrees_longitude.unwrap_or(0.0),
        name: place.name.clone(),
        address: place.address.clone(),
        url: place.url.clone(),
        accuracy: place.accuracy_in_meters,
        speed: place.speed_in_mps,
        heading: place.degrees_clockwise_from_magnetic_north,
        comment: place.comment.clone(),
    }
}

fn read_place(message: &wa::Message) -> Option<Said> {
    if let Some(place) = message.location_message.as_option() {
        let body = Body::Location(location(place));
        return Some(Said::with(body, place.context_info.as_option()));
    }
    let place = message.live_location_message.as_option()?;
    let body = Body::LiveLocation(LiveLocation {
        latitude: place.degrees_latitude.unwrap_or(0.0),
        longitude: place.degrees_longitude.unwrap_or(0.0),
        accuracy: place.accuracy_in_meters,
        speed: place.speed_in_mps,
        heading: place.degrees_clockwise_from_magnetic_north,
        caption: place.caption.clone(),
        sequence: place.sequence_number,
        time_offset: place.time_offset,
    });
    Some(Said::with(body, place.context_info.as_option()))
}

fn card(contact: &wa::message::ContactMessage) -> Card {
    Card {
        name: contact.display_name.clone().unwrap_or_default(),
        vcard: contact.vcard.clone().unwrap_or_default(),
    }
}

fn read_contacts(message: &wa::Message) -> Option<Said> {
    if let Some(contact) = message.contact_message.as_option() {
        let body = Body::Contacts {
            cards: vec![card(contact)],
        };
        return Some(Said::with(body, contact.context_info.as_option()));
    }
    let contacts = message.contacts_array_message.as_option()?;
    let cards = contacts.contacts.iter().take(CARDS_MAX).map(card).collect();
    Some(Said::with(
        Body::Contacts { cards },
        contacts.context_info.as_option(),
    ))
}

fn read_invite(message: &wa::Message) -> Option<Said> {
    let invite = message.group_invite_message.as_option()?;
    let group: ChatId = invite.group_jid.as_deref()?.parse().ok()?;
    let body = Body::Invite(Invite {
        group,
        name: invite.group_name.clone().unwrap_or_default(),
        code: invite.invite_code.clone().unwrap_or_default(),
        expires_at: body::moment(invite.invite_expiration),
        caption: invite.caption.clone().filter(|text| !text.is_empty()),
    });
    Some(Said::with(body, invite.context_info.as_option()))
}
