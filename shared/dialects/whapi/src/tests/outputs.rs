//! What every operation can answer, so that every row's answer is held against the system's schema.

use switchboard_dialect_kit::testing::{Request, samples};
use switchboard_vocab::content::MediaKind;
use switchboard_vocab::messages::{Deleted, Marked, Message, MessageInfo, MessageList};
use switchboard_vocab::sessions::SessionState;
use switchboard_vocab::settings::{Changed, Settings};
use switchboard_vocab::webhooks::{Replaced, Tested, Webhooks};
use switchboard_vocab::{
    Operation, chats, contacts, media, messages, pairing, presence, profile, sessions, settings,
    stories, webhooks,
};

use super::{answered, answered_both};

/// The answer to a request of this operation.
pub(super) fn answer(operation: &str, request: Request) -> String {
    let area = operation.split('.').next().unwrap();
    match area {
        "messages" => of_messages(operation, request),
        "stories" => of_stories(operation, request),
        "contacts" => of_contacts(operation, request),
        "chats" => of_chats(operation, request),
        "media" => of_media(operation, request),
        "profile" | "presence" => of_people(operation, request),
        _ => of_sessions(operation, request),
    }
}

fn ok<O: Operation>(request: Request, output: O::Output) -> String {
    answered::<O>(request, Ok(output))
}

fn unknown(operation: &str) -> String {
    panic!("write an output of {operation}")
}

/// Every kind of message, of the partner's and of one's own.
fn list() -> MessageList {
    let bodies = samples::bodies().into_iter();
    let bodies = bodies.chain(samples::file_bodies());
    let messages: Vec<Message> = bodies.map(samples::incoming_with).collect();
    MessageList {
        total: messages.len().try_into().unwrap(),
        messages,
        last_number: 99,
    }
}

fn of_messages(operation: &str, request: Request) -> String {
    let sent = || samples::sent("hello");
    match operation {
        messages::SendMessage::NAME => ok::<messages::SendMessage>(request, sent()),
        messages::Act::NAME => ok::<messages::Act>(request, sent()),
        messages::Forward::NAME => ok::<messages::Forward>(request, sent()),
        messages::ListMessages::NAME => ok::<messages::ListMessages>(request, list()),
        messages::GetMessage::NAME => {
            ok::<messages::GetMessage>(request, samples::incoming("hello"))
        }
        messages::Star::NAME => ok::<messages::Star>(request, samples::incoming("hello")),
        messages::MarkRead::NAME => ok::<messages::MarkRead>(request, Marked {}),
        messages::DeleteForMe::NAME => ok::<messages::DeleteForMe>(request, Deleted {}),
        messages::GetInfo::NAME => {
            let message = samples::own_message("hello");
            let recipients = Vec::new();
            let info = MessageInfo {
                message,
                recipients,
            };
            ok::<messages::GetInfo>(request, info)
        }
        _ => unknown(operation),
    }
}

fn of_stories(operation: &str, request: Request) -> String {
    match operation {
        stories::Post::NAME => ok::<stories::Post>(request, samples::sent("news")),
        stories::Copy::NAME => ok::<stories::Copy>(request, samples::sent("news")),
        stories::List::NAME => ok::<stories::List>(request, list()),
        stories::Get::NAME => ok::<stories::Get>(request, samples::incoming("news")),
        _ => unknown(operation),
    }
}

fn of_contacts(operation: &str, request: Request) -> String {
    let contact = samples::contact;
    let list = || contacts::ContactList {
        contacts: vec![contact(), samples::me()],
        total: 2,
    };
    match operation {
        contacts::List::NAME => ok::<contacts::List>(request, list()),
        contacts::ListBlocked::NAME => ok::<contacts::ListBlocked>(request, list()),
        contacts::Get::NAME => ok::<contacts::Get>(request, contact()),
        contacts::Save::NAME => ok::<contacts::Save>(request, contact()),
        contacts::Delete::NAME => ok::<contacts::Delete>(request, contact()),
        contacts::Block::NAME => ok::<contacts::Block>(request, contact()),
        contacts::Check::NAME => {
            let users = samples::checked();
            ok::<contacts::Check>(request, contacts::Checked { users })
        }
        contacts::Resolve::NAME => {
            let users = vec![contacts::Addresses {
                user: samples::partner(),
                phone: Some(samples::partner()),
                lid: Some(samples::partner_lid()),
            }];
            ok::<contacts::Resolve>(request, contacts::Resolved { users })
        }
        contacts::GetProfiles::NAME => {
            let profiles = vec![contacts::Profile {
                contact: contact(),
                registered: true,
                about: None,
                about_at: None,
                picture: None,
                devices: Vec::new(),
            }];
            ok::<contacts::GetProfiles>(request, contacts::Profiles { profiles })
        }
        _ => unknown(operation),
    }
}

fn of_chats(operation: &str, request: Request) -> String {
    let chat = samples::chat;
    match operation {
        chats::Get::NAME => ok::<chats::Get>(request, chat()),
        chats::Change::NAME => ok::<chats::Change>(request, chat()),
        chats::Delete::NAME => ok::<chats::Delete>(request, chats::Gone { messages: 1 }),
        chats::List::NAME => {
            let chats = vec![chat(), samples::group_chat()];
            ok::<chats::List>(request, chats::ChatList { chats, total: 2 })
        }
        _ => unknown(operation),
    }
}

fn of_media(operation: &str, request: Request) -> String {
    let file = || samples::stored(MediaKind::Image);
    match operation {
        media::Store::NAME => ok::<media::Store>(request, file()),
        media::Open::NAME => ok::<media::Open>(request, file()),
        media::Delete::NAME => ok::<media::Delete>(request, media::Removed {}),
        media::List::NAME => {
            let files = vec![media::ListedMedia {
                media: file(),
                stored_at: samples::now(),
            }];
            ok::<media::List>(request, media::MediaList { files, total: 1 })
        }
        _ => unknown(operation),
    }
}

fn of_people(operation: &str, request: Request) -> String {
    let own = || profile::OwnProfile {
        identity: samples::identity(),
        about: None,
        picture: None,
    };
    let presence = || presence::Presence {
        user: samples::partner_lid(),
        online: None,
        last_seen: None,
        state: None,
    };
    match operation {
        profile::Get::NAME => ok::<profile::Get>(request, own()),
        profile::Change::NAME => ok::<profile::Change>(request, own()),
        profile::SetOnline::NAME => ok::<profile::SetOnline>(request, profile::Shown {}),
        presence::Get::NAME => ok::<presence::Get>(request, presence()),
        presence::Subscribe::NAME => ok::<presence::Subscribe>(request, presence()),
        presence::SendState::NAME => ok::<presence::SendState>(request, profile::Shown {}),
        _ => unknown(operation),
    }
}

fn of_sessions(operation: &str, request: Request) -> String {
    let status = || samples::status(SessionState::Connected);
    let hooks = || Webhooks {
        subscriptions: vec![samples::subscription(switchboard_vocab::DialectName::Whapi)],
        events: None,
    };
    let changed = || Changed {
        before: Settings::default(),
        after: Settings::default(),
    };
    match operation {
        sessions::Start::NAME => ok::<sessions::Start>(request, status()),
        sessions::GetStatus::NAME => ok::<sessions::GetStatus>(request, status()),
        sessions::Logout::NAME => ok::<sessions::Logout>(request, status()),
        pairing::GetQr::NAME => ok::<pairing::GetQr>(request, samples::qr()),
        pairing::RequestCode::NAME => ok::<pairing::RequestCode>(request, samples::pairing_code()),
        webhooks::Test::NAME => ok::<webhooks::Test>(request, Tested { status: 200 }),
        webhooks::Replace::NAME => {
            let replaced = Replaced {
                before: hooks(),
                after: hooks(),
            };
            answered_both::<webhooks::Replace, settings::Reset>(request, replaced, changed())
        }
        webhooks::GetWebhooks::NAME if is_patch(&request) => {
            answered_both::<webhooks::GetWebhooks, settings::Change>(request, hooks(), changed())
        }
        webhooks::GetWebhooks::NAME => answered_both::<webhooks::GetWebhooks, settings::Get>(
            request,
            hooks(),
            Settings::default(),
        ),
        _ => unknown(operation),
    }
}

fn is_patch(request: &Request) -> bool {
    let cx = switchboard_dialect_kit::testing::cx(request.clone());
    cx.input().method == http::Method::PATCH
}
