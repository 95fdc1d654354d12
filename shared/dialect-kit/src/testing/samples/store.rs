//! Values of the session's store: one body of every kind, a conversation, people.

use std::time::Duration;

use switchboard_vocab::chats::{Chat, Mute};
use switchboard_vocab::contacts::{CheckedUser, Contact};
use switchboard_vocab::content::{
    Action, Body, Button, Card, EventAnswer, EventBody, EventReply, Interactive, Invite,
    LiveLocation, Location, MediaKind, Poll, PollOption, Reply, ReplyKind, Row, Section,
};
use switchboard_vocab::{Timestamp, UserId};

use super::{group, incoming, media, own, own_message, partner, partner_lid};

/// Every kind of body but text and files, each once.
#[must_use]
pub fn bodies() -> Vec<Body> {
    let mut all = said();
    all.extend(tappable());
    all.extend(done());
    all
}

/// Every kind of file as a body.
#[must_use]
pub fn file_bodies() -> Vec<Body> {
    use MediaKind::{Audio, Document, Gif, Image, ShortVideo, Sticker, Video, Voice};
    [
        Image, Video, Gif, ShortVideo, Audio, Voice, Document, Sticker,
    ]
    .map(|kind| Body::Media(media(kind)))
    .into()
}

fn place() -> Location {
    Location {
        latitude: 52.5,
        longitude: 13.4,
        name: Some("Office".to_owned()),
        address: Some("Main street 1".to_owned()),
        ..Location::default()
    }
}

fn said() -> Vec<Body> {
    vec![
        Body::Location(place()),
        Body::LiveLocation(LiveLocation {
            latitude: 52.5,
            longitude: 13.4,
            accuracy: Some(5),
            speed: Some(1.5),
            heading: Some(90),
            caption: Some("on my way".to_owned()),
            sequence: Some(3),
            time_offset: Some(60),
        }),
        Body::Contacts {
            cards: vec![Card {
                name: "Ada".to_owned(),
                vcard: "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD".to_owned(),
            }],
        },
        Body::Poll(Poll {
            question: "Lunch?".to_owned(),
            options: vec![
                PollOption {
                    name: "Soup".to_owned(),
                    voters: vec![partner()],
                },
                PollOption {
                    name: "Salad".to_owned(),
                    voters: Vec::new(),
                },
            ],
            choices_max: Some(1),
        }),
        Body::Event(EventBody {
            name: "Meeting".to_owned(),
            description: Some("about soup".to_owned()),
            start: Some(Timestamp::from_secs(1_700_100_000)),
            end: None,
            location: Some(place()),
            join_link: None,
            cancelled: false,
            answers: vec![EventAnswer {
                user: partner(),
                reply: EventReply::Going,
                at: Timestamp::from_secs(1_699_999_995),
            }],
        }),
    ]
}

fn tappable() -> Vec<Body> {
    vec![
        Body::Interactive(Interactive {
            header: Some("Hello".to_owned()),
            media: None,
            body: "Choose".to_owned(),
            footer: Some("Thanks".to_owned()),
            action: Action::Buttons {
                buttons: vec![Button::Reply {
                    id: "yes".to_owned(),
                    title: "Yes".to_owned(),
                }],
            },
        }),
        Body::Interactive(Interactive {
            header: None,
            media: None,
            body: "Pick".to_owned(),
            footer: None,
            action: Action::List {
                label: "Menu".to_owned(),
                sections: vec![Section {
                    title: "Food".to_owned(),
                    rows: vec![Row {
                        id: "soup".to_owned(),
                        title: "Soup".to_owned(),
                        description: Some("hot".to_owned()),
                    }],
                }],
            },
        }),
    ]
}

fn done() -> Vec<Body> {
    let target = own_message("").id;
    let tapped = |kind| {
        Body::Reply(Reply {
            kind,
            id: "yes".to_owned(),
            title: "Yes".to_owned(),
            description: None,
        })
    };
    vec![
        tapped(ReplyKind::Button),
        tapped(ReplyKind::List),
        tapped(ReplyKind::Template),
        tapped(ReplyKind::Flow),
        Body::Invite(Invite {
            group: group(),
            name: "Team".to_owned(),
            code: "AbCdEfGh".to_owned(),
            expires_at: Some(Timestamp::from_secs(1_700_259_200)),
            caption: Some("join us".to_owned()),
        }),
        Body::Reaction {
            to: target.clone(),
            emoji: "👍".to_owned(),
        },
        Body::Edited {
            target: target.clone(),
            body: "better words".to_owned(),
        },
        Body::Revoked {
            target: target.clone(),
        },
        Body::Vote {
            poll: target.clone(),
            options: Some(vec!["Soup".to_owned()]),
        },
        Body::EventReply {
            event: target.clone(),
            reply: Some(EventReply::NotGoing),
        },
        Body::Pinned {
            target,
            period: Some(Duration::from_secs(86_400)),
        },
        Body::Timer {
            period: Duration::from_secs(604_800),
        },
        Body::Deleted {
            by: partner(),
            at: Timestamp::from_secs(1_699_999_999),
        },
        Body::Unreadable {
            reason: "view once".to_owned(),
        },
        Body::Other {
            field: "payment_invite_message".to_owned(),
        },
    ]
}

/// The conversation with the partner.
#[must_use]
pub fn chat() -> Chat {
    Chat {
        id: partner().into(),
        alt: Some(partner_lid()),
        name: Some("Gerda".to_owned()),
        last_at: Some(Timestamp::from_secs(1_699_999_990)),
        last_message: Some(Box::new(incoming("hello"))),
        unread: 2,
        marked_unread: false,
        unread_mention: false,
        archived: false,
        pinned_at: Some(Timestamp::from_secs(1_699_000_000)),
        muted: Some(Mute::Until(Timestamp::from_secs(1_800_000_000))),
        ephemeral: Some(Duration::from_secs(604_800)),
        read_only: false,
        not_spam: Some(true),
    }
}

/// The conversation of the group both are in.
#[must_use]
pub fn group_chat() -> Chat {
    Chat {
        id: group(),
        alt: None,
        name: Some("Team".to_owned()),
        last_message: None,
        pinned_at: None,
        muted: None,
        ephemeral: None,
        ..chat()
    }
}

/// The partner, saved in the address book.
#[must_use]
pub fn contact() -> Contact {
    Contact {
        alt: Some(partner_lid()),
        name: Some("Gerda Gauss".to_owned()),
        first_name: Some("Gerda".to_owned()),
        push_name: Some("Gerda".to_owned()),
        saved: true,
        about: Some("busy".to_owned()),
        picture_id: Some("1699999000".to_owned()),
        ..Contact::unknown(partner())
    }
}

/// The account itself, as a person.
#[must_use]
pub fn me() -> Contact {
    Contact {
        me: true,
        push_name: Some("Desk".to_owned()),
        ..Contact::unknown(own())
    }
}

/// A number that has an account, and one that has none.
#[must_use]
pub fn checked() -> Vec<CheckedUser> {
    let stranger = UserId::phone("4915199999999").expect("phone");
    vec![
        CheckedUser {
            user: partner(),
            registered: true,
            phone: Some(partner()),
            lid: Some(partner_lid()),
            verified_name: None,
        },
        CheckedUser {
            user: stranger,
            registered: false,
            phone: None,
            lid: None,
            verified_name: None,
        },
    ]
}
