//! Messages that a companion cannot read: damaged on the way, or not sent to it at all. What phones send to
//! their own companions alone stays whole, so that these can ask their phone.

use bytes::Bytes;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Node, NodeContent};

use super::xml;
use crate::faults::Verdict;

/// What is left of an encoded stanza.
pub(crate) fn damaged(bytes: &Bytes, verdict: Verdict) -> Bytes {
    let Ok(mut stanza) = xml::decode(bytes) else {
        return bytes.clone();
    };
    if stanza.tag != "message" || xml::attr(&stanza, "category").as_deref() == Some("peer") {
        return bytes.clone();
    }
    let Some(NodeContent::Nodes(children)) = &mut stanza.content else {
        return bytes.clone();
    };
    if let Some(view_once) = verdict.withheld {
        children.retain(|c| c.tag != "enc");
        children.insert(0, unavailable(view_once));
    } else {
        children.iter_mut().for_each(garble);
    }
    xml::encode(&stanza).map_or_else(|| bytes.clone(), Into::into)
}

/// The sign that a message is not for companions.
pub(crate) fn unavailable(view_once: bool) -> Node {
    let mut node = NodeBuilder::new("unavailable");
    if view_once {
        node = node.attr("type", "view_once");
    }
    node.build()
}

/// How far from its end a ciphertext is damaged. All kinds are authenticated there: a prekey message has at most
/// eight bytes of ids behind the eight bytes of its MAC.
const FROM_END: usize = 12;

/// Changes a byte of a ciphertext.
fn garble(node: &mut Node) {
    if node.tag == "enc"
        && let Some(NodeContent::Bytes(bytes)) = &mut node.content
        && let Some(at) = bytes.len().checked_sub(FROM_END)
        && let Some(byte) = bytes.get_mut(at)
    {
        *byte ^= 1;
    }
}
