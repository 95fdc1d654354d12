//! Reading stanzas: small accessors over [`Node`] that treat text and bytes alike and never panic
//! on what a client sent.

use std::borrow::Cow;

use wacore_binary::{Jid, Node, NodeContent, NodeRef};

/// Attribute `key` as text.
pub(crate) fn attr<'a>(node: &'a Node, key: &str) -> Option<Cow<'a, str>> {
    node.attrs.get(key).map(wacore_binary::NodeValue::as_str)
}

/// Attribute `key` as an address.
pub(crate) fn attr_jid(node: &Node, key: &str) -> Option<Jid> {
    node.attrs
        .get(key)
        .and_then(wacore_binary::NodeValue::to_jid)
}

/// Attribute `key` as a number.
pub(crate) fn attr_u64(node: &Node, key: &str) -> Option<u64> {
    attr(node, key).and_then(|v| v.parse().ok())
}

/// Content of `node` as bytes.
pub(crate) fn bytes(node: &Node) -> Option<&[u8]> {
    match &node.content {
        Some(NodeContent::Bytes(b)) => Some(b),
        Some(NodeContent::String(s)) => Some(s.as_bytes()),
        Some(NodeContent::Nodes(_)) | None => None,
    }
}

/// Content of the child `tag` as bytes.
pub(crate) fn child_bytes<'a>(node: &'a Node, tag: &str) -> Option<&'a [u8]> {
    node.get_optional_child(tag).and_then(bytes)
}

/// Content of the child `tag` as an array of exactly `N` bytes.
pub(crate) fn child_array<const N: usize>(node: &Node, tag: &str) -> Option<[u8; N]> {
    child_bytes(node, tag)?.try_into().ok()
}

/// All children.
pub(crate) fn children(node: &Node) -> &[Node] {
    node.children().unwrap_or_default()
}

/// The first child.
pub(crate) fn first_child(node: &Node) -> Option<&Node> {
    children(node).first()
}

/// Copies attribute `key` from one stanza to another if it is there.
pub(crate) fn copy_attr(from: &Node, to: &mut Node, key: &'static str) {
    if let Some(value) = from.attrs.get(key) {
        to.attrs.insert(key, value.clone());
    }
}

/// All stanza ids that a receipt or ack names: its own and those of its `<list>`.
pub(crate) fn listed_ids(node: &Node) -> Vec<String> {
    let own = attr(node, "id").map(Cow::into_owned);
    let listed = node
        .get_optional_child("list")
        .map(children)
        .unwrap_or_default()
        .iter()
        .filter_map(|item| attr(item, "id").map(Cow::into_owned));
    own.into_iter().chain(listed).collect()
}

/// Encodes a stanza with its leading flag byte.
pub(crate) fn encode(node: &Node) -> Option<Vec<u8>> {
    wacore_binary::marshal(node).ok()
}

/// Decodes what `encode` made, or what came from a client.
///
/// # Errors
/// When the bytes are not one complete stanza.
pub fn decode(bytes: &[u8]) -> Result<Node, wacore_binary::BinaryError> {
    let plain = wacore_binary::util::unpack(bytes)?;
    let node: NodeRef<'_> = wacore_binary::marshal::unmarshal_ref(&plain)?;
    Ok(node.to_owned())
}
