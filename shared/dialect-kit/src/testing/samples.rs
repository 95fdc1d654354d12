//! Facts for tests: one session, one partner, one group, and what can happen between them.

#![expect(
    clippy::expect_used,
    reason = "test code: a bad sample should stop the test"
)]

mod store;

use std::time::Duration;

use switchboard_vocab::content::{Body, Context, Marks, MediaBody, MediaKind, Text};
use switchboard_vocab::events::{Envelope, Event};
use switchboard_vocab::media::StoredMedia;
use switchboard_vocab::messages::{DeliveryStatus, Message, Sent};
use switchboard_vocab::pairing::{Challenge, PairingCode, QrCode};
use switchboard_vocab::sessions::{Identity, SessionState, SessionStatus};
use switchboard_vocab::webhooks::Subscription;
use switchboard_vocab::{
    ChatId, DialectName, Epoch, EventId, MediaId, MessageId, NodeId, SessionRef, Timestamp, UserId,
};

pub use store::{bodies, chat, checked, contact, file_bodies, group_chat, me};

/// The time of every call and event.
#[must_use]
pub const fn now() -> Timestamp {
    Timestamp::from_secs(1_700_000_000)
}

/// The session of every call and event.
#[must_use]
pub fn session() -> SessionRef {
    "default/sales".parse().expect("session")
}

/// The account behind the session.
#[must_use]
pub fn identity() -> Identity {
    Identity {
        phone: own(),
        lid: Some(UserId::lid("90000000000001").expect("lid")),
        device: 11,
        push_name: Some("Sales".to_owned()),
        platform: Some("android".to_owned()),
    }
}

/// The account's own address.
#[must_use]
pub fn own() -> UserId {
    UserId::phone("4915100000001").expect("phone")
}

/// Somebody else.
#[must_use]
pub fn partner() -> UserId {
    UserId::phone("4915112345678").expect("phone")
}

/// Somebody else's hidden address.
#[must_use]
pub fn partner_lid() -> UserId {
    UserId::lid("81234567890123").expect("lid")
}

/// A group both are in.
#[must_use]
pub fn group() -> ChatId {
    "120363025343298765@g.us".parse().expect("group")
}

/// A status while in some state, with the login where the state has one.
#[must_use]
pub fn status(state: SessionState) -> SessionStatus {
    let paired = !matches!(
        state,
        SessionState::Starting | SessionState::Pairing | SessionState::LoggedOut
    );
    SessionStatus {
        session: session(),
        node: NodeId::parse("node-1").expect("node"),
        state,
        since: Timestamp::from_secs(1_699_999_940),
        identity: paired.then(identity),
        challenge: (state == SessionState::Pairing).then(challenge),
        reason: None,
        next_try_at: None,
        failures: 0,
        client_version: None,
    }
}

/// A QR code that lives for 20 seconds from [`now`].
#[must_use]
pub fn qr() -> QrCode {
    QrCode {
        text: "2@abcdef,ghijkl,mnopqr,0".to_owned(),
        expires_at: now().plus(Duration::from_secs(20)),
    }
}

/// The same as a challenge.
#[must_use]
pub fn challenge() -> Challenge {
    let QrCode { text, expires_at } = qr();
    Challenge::Qr { text, expires_at }
}

/// A pairing code.
#[must_use]
pub fn pairing_code() -> PairingCode {
    PairingCode {
        code: "ABCD1234".to_owned(),
        expires_at: now().plus(Duration::from_secs(160)),
    }
}

/// A text from the partner, in the conversation with them.
#[must_use]
pub fn incoming(text: &str) -> Message {
    Message {
        id: MessageId::parse("3A5B7C9D1E2F30415263").expect("id"),
        number: 7,
        chat: partner().into(),
        chat_alt: Some(partner_lid()),
        sender: partner(),
        sender_alt: Some(partner_lid()),
        from_me: false,
        push_name: Some("Gerda".to_owned()),
        at: Timestamp::from_secs(1_699_999_990),
        body: Body::Text(Text {
            body: text.to_owned(),
            ..Text::default()
        }),
        quoted: None,
        status: DeliveryStatus::Delivered,
        forwarded: false,
        context: Context::default(),
        marks: Marks::default(),
        proto_json: None,
    }
}

/// The same conversation as WhatsApp shows it where it hides the number: by LID first.
#[must_use]
pub fn incoming_by_lid(text: &str) -> Message {
    Message {
        chat: partner_lid().into(),
        chat_alt: Some(partner()),
        sender: partner_lid(),
        sender_alt: Some(partner()),
        ..incoming(text)
    }
}

/// A text from the partner in the group.
#[must_use]
pub fn incoming_in_group(text: &str) -> Message {
    Message {
        chat: group(),
        chat_alt: None,
        ..incoming(text)
    }
}

/// A text of this account to the partner.
#[must_use]
pub fn own_message(text: &str) -> Message {
    Message {
        id: MessageId::parse("3EB0A1B2C3D4E5F6071829").expect("id"),
        number: 8,
        sender: own(),
        sender_alt: None,
        from_me: true,
        push_name: None,
        status: DeliveryStatus::Pending,
        ..incoming(text)
    }
}

/// The answer to a send.
#[must_use]
pub fn sent(text: &str) -> Sent {
    Sent {
        message: own_message(text),
    }
}

/// A file in the media store.
#[must_use]
pub fn stored(kind: MediaKind) -> StoredMedia {
    let file = media(kind);
    StoredMedia {
        id: file.id,
        kind: file.kind,
        mime_type: file.mime_type,
        size: file.size,
        sha256: file.sha256,
        file_name: file.file_name,
    }
}

/// The file of a message.
#[must_use]
pub fn media(kind: MediaKind) -> MediaBody {
    let (mime_type, drawn, lasting) = match kind {
        MediaKind::Image => ("image/jpeg", true, false),
        MediaKind::Video | MediaKind::Gif | MediaKind::ShortVideo => ("video/mp4", true, true),
        MediaKind::Audio => ("audio/mpeg", false, true),
        MediaKind::Voice => ("audio/ogg; codecs=opus", false, true),
        MediaKind::Document => ("application/pdf", false, false),
        MediaKind::Sticker => ("image/webp", true, false),
    };
    let named = kind == MediaKind::Document;
    let captioned = !matches!(
        kind,
        MediaKind::Voice | MediaKind::Audio | MediaKind::Sticker
    );
    MediaBody {
        kind,
        id: MediaId::parse("0123456789abcdef0123456789abcdef").expect("media id"),
        mime_type: mime_type.to_owned(),
        size: 12_345,
        sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
        caption: captioned.then(|| "look".to_owned()),
        file_name: named.then(|| "offer.pdf".to_owned()),
        width: drawn.then_some(640),
        height: drawn.then_some(480),
        seconds: lasting.then_some(9),
        waveform: None,
        thumbnail: None,
    }
}

/// A message from the partner with this body.
#[must_use]
pub fn incoming_with(body: Body) -> Message {
    Message {
        body,
        ..incoming("")
    }
}

/// An event of the session.
#[must_use]
pub fn envelope(event: Event) -> Envelope {
    Envelope {
        id: EventId::new("7f8f7f0e-0000-4000-8000-000000000001", Epoch(3), 42),
        session: session(),
        epoch: Epoch(3),
        sequence: 42,
        at: now(),
        event,
    }
}

/// A subscription that chose nothing.
#[must_use]
pub fn subscription(dialect: DialectName) -> Subscription {
    Subscription {
        dialect,
        url: "http://hooks.test/in".to_owned(),
        events: None,
        headers: Default::default(),
        options: Default::default(),
    }
}
