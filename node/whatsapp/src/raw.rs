//! What the library reads over, looked up in the stanzas themselves.
//!
//! Owns no state. The library shows each stanza before it handles it (`Event::RawNode`), on the task that reads from the
//! socket: nothing is missed, and nothing here may wait.

use chrono::{DateTime, Utc};
use wacore::appstate::patch_decode::WAPatchName;
use wacore::stanza::receipt::{collect_simple_message_ids, downgrade_for_feature_incapable};
use wacore::types::events::{Event, Receipt};
use wacore::types::message::MessageSource;
use wacore::types::presence::ReceiptType;
use wacore_binary::{JidExt as _, NodeRef, OwnedNodeRef};

use crate::clock;

/// What a stanza says beside what the library makes of it.
#[derive(Debug)]
pub(crate) enum News {
    /// Who saw or has a story: the library keeps the participant of groups only.
    Story(Box<Event>),
    /// Another device changed the block list; which one is not told.
    BlockList,
    /// Another device made these versions of collections.
    Collections(Vec<(WAPatchName, u64)>),
}

/// What a stanza tells.
pub(crate) fn news(node: &OwnedNodeRef) -> Option<News> {
    let node = node.get();
    match node.tag.as_ref() {
        "receipt" => story_receipt(node).map(|receipt| News::Story(Box::new(receipt))),
        "notification" if is(node, "type", "account_sync") => node
            .get_optional_child("blocklist")
            .map(|_| News::BlockList),
        "notification" if is(node, "type", "server_sync") => {
            let collections = node.get_children_by_tag("collection");
            let told: Vec<_> = collections.filter_map(version).collect();
            (!told.is_empty()).then_some(News::Collections(told))
        }
        _ => None,
    }
}

/// A collection with its version. One that names none is left to the library.
fn version(collection: &NodeRef<'_>) -> Option<(WAPatchName, u64)> {
    let mut attrs = collection.attrs();
    let name = attrs.optional_string("name")?.parse().ok()?;
    let version = attrs.optional_u64("version")?;
    (name != WAPatchName::Unknown && version > 0).then_some((name, version))
}

fn is(node: &NodeRef<'_>, name: &str, value: &str) -> bool {
    node.get_attr(name).is_some_and(|found| found == value)
}

/// The receipt of one person for stories or for messages to a list. Aggregated ones name the people where the library looks.
/// Source: whatsapp-rust 0.7.0, `handle_receipt_inline`, which this repeats but for the sender.
fn story_receipt(node: &NodeRef<'_>) -> Option<Event> {
    let mut attrs = node.attrs();
    let chat = attrs.optional_jid("from")?;
    if !chat.is_status_broadcast() && !chat.is_broadcast_list() {
        return None;
    }
    if node.get_optional_child("participants").is_some() {
        return None;
    }
    let sender = attrs.optional_jid("participant")?;
    let sender_alt = attrs.optional_jid("participant_pn");
    let id = attrs.optional_string("id")?.into_owned();
    let kind = attrs
        .optional_string("type")
        .map_or(ReceiptType::Delivered, |kind| ReceiptType::parse(&kind));
    let at = attrs.optional_u64("t").and_then(moment);
    let is_offline = attrs.optional_string("offline").is_some();
    let receipt = Receipt::builder()
        .message_ids(collect_simple_message_ids(node, &id, false))
        .source(MessageSource {
            chat,
            sender,
            sender_alt,
            ..MessageSource::default()
        })
        .timestamp(at.or_else(now)?)
        .r#type(downgrade_for_feature_incapable(node, kind))
        .offline(is_offline)
        .build();
    Some(Event::Receipt(receipt))
}

fn moment(secs: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(secs).ok()?, 0)
}

fn now() -> Option<DateTime<Utc>> {
    Some(clock::now().as_secs()).and_then(moment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wacore_binary::builder::NodeBuilder;

    fn stanza(node: NodeBuilder) -> OwnedNodeRef {
        let mut bytes = wacore_binary::marshal::marshal(&node.build()).unwrap();
        // The byte that says whether the rest is compressed.
        bytes.remove(0);
        OwnedNodeRef::new(bytes).unwrap()
    }

    fn receipt(chat: &str, kind: &str) -> NodeBuilder {
        NodeBuilder::new("receipt")
            .attr("from", chat)
            .attr("id", "S2")
            .attr("type", kind)
            .attr("participant", "77:3@lid")
            .attr("participant_pn", "15550002@s.whatsapp.net")
            .attr("t", "1700000000")
    }

    fn told(node: NodeBuilder) -> Option<Receipt> {
        let News::Story(event) = news(&stanza(node))? else {
            panic!("no receipt");
        };
        let Event::Receipt(receipt) = *event else {
            panic!("no receipt");
        };
        Some(receipt)
    }

    #[test]
    fn the_receipt_of_a_story_names_who_saw_it() {
        let item = NodeBuilder::new("item").attr("id", "S1").build();
        let list = NodeBuilder::new("list").children([item]).build();
        let seen = told(receipt("status@broadcast", "read").children([list])).unwrap();
        assert_eq!(seen.r#type, ReceiptType::Read);
        assert_eq!(seen.message_ids, ["S1", "S2"]);
        assert_eq!(seen.source.sender.to_string(), "77:3@lid");
        let number = seen.source.sender_alt.map(|jid| jid.to_string());
        assert_eq!(number.as_deref(), Some("15550002@s.whatsapp.net"));
        assert_eq!(seen.source.chat.to_string(), "status@broadcast");
        assert_eq!(seen.timestamp.timestamp(), 1_700_000_000);
        let delivered = told(receipt("123@broadcast", "")).unwrap();
        assert_eq!(delivered.r#type, ReceiptType::Delivered);
    }

    #[test]
    fn what_the_library_tells_itself_is_not_told_twice() {
        for chat in ["1-2@g.us", "15550002@s.whatsapp.net", "77@lid"] {
            assert!(told(receipt(chat, "read")).is_none(), "{chat}");
        }
        let people = NodeBuilder::new("participants").build();
        let aggregated = receipt("status@broadcast", "read").children([people]);
        assert!(told(aggregated).is_none());
        let untold = NodeBuilder::new("receipt")
            .attr("from", "status@broadcast")
            .attr("id", "S1");
        assert!(told(untold).is_none());
    }

    #[test]
    fn a_changed_block_list_is_noticed() {
        let sync = |child: &'static str| {
            let child = NodeBuilder::new(child).build();
            let node = NodeBuilder::new("notification").attr("type", "account_sync");
            stanza(node.children([child]))
        };
        assert!(matches!(news(&sync("blocklist")), Some(News::BlockList)));
        assert!(news(&sync("devices")).is_none());
    }

    #[test]
    fn versions_of_collections_are_noticed() {
        let collection = |name: &'static str, version: &'static str| {
            let node = NodeBuilder::new("collection").attr("name", name);
            node.attr("version", version).build()
        };
        let told = |collections: Vec<wacore_binary::Node>| {
            let node = NodeBuilder::new("notification").attr("type", "server_sync");
            match news(&stanza(node.children(collections))) {
                Some(News::Collections(told)) => told,
                Some(other) => panic!("no collections: {other:?}"),
                None => Vec::new(),
            }
        };
        let both = vec![collection("regular", "7"), collection("regular_low", "9")];
        let expected = [(WAPatchName::Regular, 7), (WAPatchName::RegularLow, 9)];
        assert_eq!(told(both), expected);
        assert_eq!(told(vec![collection("from_the_future", "7")]), []);
        assert_eq!(told(vec![collection("regular", "0")]), []);
    }
}
