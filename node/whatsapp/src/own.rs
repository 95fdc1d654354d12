//! The account's own side: profile, privacy, presence, timers, and what it tells writers.

use std::time::Duration;

use switchboard_vocab::events::presence::ChatState;
use switchboard_vocab::profile::{Privacy, StoryPrivacy};
use switchboard_vocab::{ChatId, MessageId, UserId};
use wacore::iq::spec::IqSpec;
use wacore::request::InfoQuery;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, NodeContent, NodeRef, Server};
use whatsapp_rust::error::ErrorChainExt;
use whatsapp_rust::{Client, anyhow};

use crate::addresses;
use crate::api::{Error, ProfileChange};
use crate::ask::{ASK_TIMEOUT, ask, ask_untyped, failed};

/// WhatsApp's code for "there is none".
const NOT_FOUND: u16 = 404;
/// Longest text, in bytes, that the library takes for an address where it has an `@`. Source: whatsapp-rust 0.7.0.
const ADDRESS_LEN_MAX: usize = 48;

/// Changes the account's profile.
pub(crate) async fn change_profile(client: &Client, change: ProfileChange) -> Result<(), Error> {
    let profile = client.profile();
    match change {
        ProfileChange::Name(name) => ask("set the name", profile.set_push_name(&name)).await,
        ProfileChange::About(about) => {
            ask("set the about text", client.execute(AboutSpec { about })).await
        }
        ProfileChange::Picture(bytes) => {
            let setting = profile.set_profile_picture(bytes.to_vec());
            ask("set the picture", setting).await.map(drop)
        }
        ProfileChange::RemovePicture => ask("remove the picture", profile.remove_profile_picture())
            .await
            .map(drop),
    }
}

/// Who sees what of the account.
pub(crate) async fn privacy(client: &Client) -> Result<Privacy, Error> {
    let told = ask(
        "ask for the privacy settings",
        client.fetch_privacy_settings(),
    )
    .await?;
    let stories =
        match tokio::time::timeout(ASK_TIMEOUT, Box::pin(client.execute(StoryPrivacySpec))).await {
            Ok(Ok(lists)) => lists,
            // Whoever never chose sends stories to every contact.
            Ok(Err(error))
                if error
                    .server_rejection()
                    .is_some_and(|no| no.code == NOT_FOUND) =>
            {
                None
            }
            Ok(Err(error)) => return Err(failed("ask for the story privacy", &error)),
            Err(_) => {
                return Err(Error::Interrupted(
                    "ask for the story privacy: whatsapp did not answer".to_owned(),
                ));
            }
        };
    let stories = match stories {
        Some((kind, jids)) => {
            let mut people = Vec::with_capacity(jids.len());
            for jid in &jids {
                let person = addresses::person(client, jid, None).await;
                people.extend(person.map(|person| person.main));
            }
            story_privacy(&kind, people)
        }
        None => StoryPrivacy::Contacts,
    };
    Ok(Privacy {
        settings: told
            .settings
            .into_iter()
            .map(|setting| {
                let category = setting.category.as_str().to_owned();
                (category, setting.value.as_str().to_owned())
            })
            .collect(),
        stories,
    })
}

fn story_privacy(kind: &str, people: Vec<UserId>) -> StoryPrivacy {
    match kind {
        "whitelist" => StoryPrivacy::Only(people),
        "blacklist" => StoryPrivacy::Except(people),
        _ => StoryPrivacy::Contacts,
    }
}

/// Whether the client library would write a text as an address, which nobody could read as a name again, with every connection.
/// Source: whatsapp-rust 0.7.0, the encoder of its stanzas.
pub fn is_sent_as_address(text: &str) -> bool {
    text.len() <= ADDRESS_LEN_MAX && text.contains('@')
}

/// Sets the text about oneself, as bytes. The library has it as a text, which stanzas write as an address where it looks like
/// one: `info@example.org` and `@` would not arrive as they are. Source: WhatsApp Web's `status` namespace.
#[derive(Debug)]
struct AboutSpec {
    about: String,
}

impl IqSpec for AboutSpec {
    type Response = ();

    fn build_iq(&self) -> InfoQuery<'static> {
        let about = self.about.as_bytes().to_vec();
        let status = NodeBuilder::new("status").bytes(about).build();
        let content = NodeContent::Nodes(vec![status]);
        InfoQuery::set("status", Jid::new("", Server::Pn), Some(content))
    }

    fn parse_response(&self, _: &NodeRef<'_>) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Asks who sees stories; the library has no question for it. Source: WhatsApp Web's `status` namespace: a list per
/// way of choosing, of which one is the default.
#[derive(Debug)]
struct StoryPrivacySpec;

impl IqSpec for StoryPrivacySpec {
    type Response = Option<(String, Vec<Jid>)>;

    fn build_iq(&self) -> InfoQuery<'static> {
        let question = NodeBuilder::new("privacy").build();
        let content = NodeContent::Nodes(vec![question]);
        InfoQuery::get("status", Jid::new("", Server::Pn), Some(content)).with_timeout(ASK_TIMEOUT)
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> anyhow::Result<Self::Response> {
        let Some(privacy) = response.get_optional_child("privacy") else {
            return Ok(None);
        };
        let text = |node: &NodeRef<'_>, name: &str| {
            node.get_attr(name)
                .map(|value| value.as_str().into_owned())
                .unwrap_or_default()
        };
        let lists: Vec<_> = privacy.get_children_by_tag("list").collect();
        let chosen = lists
            .iter()
            .find(|list| text(list, "default") == "true")
            .or_else(|| lists.first());
        Ok(chosen.map(|list| {
            let people = list.get_children_by_tag("user");
            let jids = people.filter_map(|user| text(user, "jid").parse().ok());
            (text(list, "type"), jids.collect())
        }))
    }
}

/// Shows the account as online or offline.
pub(crate) async fn set_online(client: &Client, online: bool) -> Result<(), Error> {
    let presence = client.presence();
    if online {
        // The library refuses it before anything leaves.
        if client.push_name().is_empty() {
            return Err(Error::Refused {
                code: None,
                text: "show as online: the account has no name yet, and whatsapp shows nobody without one".to_owned(),
            });
        }
        ask("show as online", presence.set_available()).await
    } else {
        ask("show as offline", presence.set_unavailable()).await
    }
}

/// Asks to be told when a person comes and goes.
pub(crate) async fn subscribe(client: &Client, user: &UserId) -> Result<(), Error> {
    let presence = client.presence();
    ask(
        "subscribe to a presence",
        presence.subscribe(addresses::jid_of_user(user)),
    )
    .await
}

/// Shows in a conversation what the account does.
pub(crate) async fn send_chat_state(
    client: &Client,
    chat: &ChatId,
    state: ChatState,
) -> Result<(), Error> {
    let jid = addresses::jid_of_chat(chat);
    let states = client.chatstate();
    match state {
        ChatState::Composing => ask("show typing", states.send_composing(&jid)).await,
        ChatState::Recording => ask("show recording", states.send_recording(&jid)).await,
        ChatState::Paused => ask("show a pause", states.send_paused(&jid)).await,
    }
}

/// Sets after how long messages of a conversation disappear.
pub(crate) async fn set_timer(
    client: &Client,
    chat: &ChatId,
    period: Duration,
) -> Result<(), Error> {
    let jid = addresses::jid_of_chat(chat);
    let secs = u32::try_from(period.as_secs()).map_err(|_| Error::Refused {
        code: None,
        text: "set the timer: the period is too long".to_owned(),
    })?;
    match chat {
        ChatId::User(_) => {
            let setting = client.set_chat_disappearing_timer(jid, secs);
            ask("set the timer", setting).await.map(drop)
        }
        ChatId::Group(_) => {
            let groups = client.groups();
            ask("set the timer", groups.set_ephemeral(jid, secs)).await
        }
        ChatId::Newsletter(_) | ChatId::Broadcast(_) => Err(Error::Refused {
            code: None,
            text: "set the timer: messages of channels and lists do not disappear".to_owned(),
        }),
    }
}

/// Tells writers how far their messages came.
pub(crate) async fn mark(
    client: &Client,
    chat: &ChatId,
    sender: Option<&UserId>,
    ids: &[MessageId],
    played: bool,
) -> Result<(), Error> {
    let ids: Vec<&str> = ids.iter().map(MessageId::as_str).collect();
    let chat = addresses::jid_of_chat(chat);
    let sender = sender
        .filter(|_| !chat.is_pn() && !chat.is_lid())
        .map(addresses::jid_of_user);
    if played {
        let marking = client.mark_as_played(&chat, sender.as_ref(), &ids);
        ask_untyped("a played receipt", marking).await
    } else {
        let marking = client.mark_as_read(&chat, sender.as_ref(), &ids);
        ask_untyped("a read receipt", marking).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_address() {
        for (name, refused) in [
            ("Front desk", false),
            ("Desk @ Acme", true),
            ("@", true),
            ("The front desk of all the branches of Acme, @ Mall", false),
        ] {
            assert_eq!(is_sent_as_address(name), refused, "{name}");
        }
    }

    #[test]
    fn the_about_text_is_no_address() {
        for about in ["Open", "info@example.org", "@"] {
            let about = about.to_owned();
            let query = AboutSpec {
                about: about.clone(),
            };
            let Some(NodeContent::Nodes(nodes)) = query.build_iq().content else {
                panic!("no nodes");
            };
            let content = nodes.first().and_then(|node| node.content.clone());
            let Some(NodeContent::Bytes(bytes)) = content else {
                panic!("{about}: {content:?}");
            };
            assert_eq!(bytes.to_vec(), about.into_bytes());
        }
    }

    fn lists(default: &str) -> wacore_binary::Node {
        let list = |kind: &str| {
            let user = NodeBuilder::new("user").attr("jid", "15550009@s.whatsapp.net");
            let mut list = NodeBuilder::new("list").attr("type", kind);
            if kind == default {
                list = list.attr("default", "true");
            }
            list.children([user.build()]).build()
        };
        let privacy = NodeBuilder::new("privacy").children([
            list("contacts"),
            list("whitelist"),
            list("blacklist"),
        ]);
        NodeBuilder::new("iq").children([privacy.build()]).build()
    }

    #[test]
    fn the_default_list_says_who_sees_stories() {
        let nine = UserId::phone("15550009").unwrap();
        for (kind, expected) in [
            ("contacts", StoryPrivacy::Contacts),
            ("whitelist", StoryPrivacy::Only(vec![nine.clone()])),
            ("blacklist", StoryPrivacy::Except(vec![nine])),
        ] {
            let node = lists(kind);
            let (told, jids) = StoryPrivacySpec
                .parse_response(&node.as_node_ref())
                .unwrap()
                .unwrap();
            let people = jids.iter().filter_map(addresses::user).collect();
            assert_eq!(story_privacy(&told, people), expected);
        }
        let empty = NodeBuilder::new("iq").build();
        let none = StoryPrivacySpec.parse_response(&empty.as_node_ref());
        assert_eq!(none.unwrap(), None);
    }
}
