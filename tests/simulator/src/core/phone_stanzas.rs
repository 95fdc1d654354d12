//! What a phone makes of a stanza: it decrypts, records, acknowledges, and sends again what another
//! device could not read. Pure: stanzas in, stanzas out.

use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, JidExt as _, Node};
use waproto::whatsapp as wa;

use super::phones::{WorkParts, reads};
use super::prekeys::SignedKey;
use super::xml;
use super::{history, iq_long, reupload};
use crate::phone::{
    self, Addon, Bundle, ChatName, DeviceAddress, EncKind, Kept, MediaError, MediaRef, Person,
    Phone, Received, Record,
};

/// Most times a phone asks for the same message. Source: protocol notes, section 6.
const RETRIES_MAX: u64 = 5;

/// A stanza for a phone, with the addresses that the server resolved.
#[derive(Debug)]
pub struct Incoming {
    /// The stanza.
    pub node: Node,
    /// Its `from`.
    pub from: Jid,
    /// The device that wrote it.
    pub author: DeviceAddress,
    /// Its user.
    pub person: Person,
    /// Whether that is a device of the same account.
    pub own: bool,
    /// The group it belongs to.
    pub group: Option<String>,
    /// The chat it belongs to, as the phone shows it.
    pub chat: String,
    /// The chat's address by LID.
    pub chat_lid: Option<String>,
    /// The name of the group.
    pub chat_name: Option<String>,
    /// Keys of the author, where a retry receipt brought none.
    pub bundle: Option<Bundle>,
}

/// Takes a stanza and returns the answers.
pub(crate) fn read(phone: &mut Phone, incoming: &Incoming, work: &mut WorkParts<'_>) -> Vec<Node> {
    if xml::attr(&incoming.node, "type").as_deref() == Some(reupload::REQUEST) {
        return reupload::answer(phone, incoming, work)
            .into_iter()
            .collect();
    }
    if reads(&incoming.node) {
        phone.opened_chat(&incoming.chat);
        return Vec::new();
    }
    if incoming.node.tag == "receipt" {
        return resend(phone, incoming, work).into_iter().collect();
    }
    let mut answers = Vec::new();
    for enc in incoming.node.get_children_by_tag("enc") {
        match open(phone, incoming, enc, work) {
            Ok(answer) => answers.extend(answer),
            Err(e) if e.is_duplicate() => break,
            Err(e) => return answer_failure(phone, incoming, &e, work.now_s),
        }
    }
    answers.insert(0, receipt(incoming));
    answers
}

fn answer_failure(
    phone: &mut Phone,
    incoming: &Incoming,
    error: &phone::Error,
    now_s: u64,
) -> Vec<Node> {
    if error.wants_retry() {
        return ask_again(phone, incoming, now_s).into_iter().collect();
    }
    tracing::warn!(error = %error, "phone could not read a message");
    Vec::new()
}

/// Decrypts a ciphertext and notes what is in it. Returns what the phone answers by itself.
fn open(
    phone: &mut Phone,
    incoming: &Incoming,
    enc: &Node,
    work: &mut WorkParts<'_>,
) -> Result<Option<Node>, phone::Error> {
    let Some(kind) = xml::attr(enc, "type").and_then(|t| EncKind::parse(&t)) else {
        return Ok(None);
    };
    let bytes = xml::bytes(enc).unwrap_or_default();
    let message = match (&incoming.group, kind) {
        (Some(group), EncKind::SenderKey) => phone.decrypt_group(group, incoming.author, bytes)?,
        _ => {
            phone
                .decrypt(incoming.author, kind, bytes, work.rng)?
                .message
        }
    };
    if incoming.own && phone::asks_for_app_state_keys(&message) {
        let enc = phone.key_share(incoming.author, None, work.now_s, work.rng)?;
        return Ok(Some(peer_stanza(incoming.author, work.answer_id, &enc)));
    }
    if incoming.own
        && let Some(asked) = phone::asked(&message)
    {
        return Ok(history::answer(phone, incoming, &asked, work));
    }
    record(phone, incoming, &message, work);
    Ok(None)
}

/// The stanza around what is for one own companion only.
pub(crate) fn peer_stanza(to: DeviceAddress, id: &str, enc: &phone::Enc) -> Node {
    NodeBuilder::new("message")
        .attr("to", Jid::pn_device(to.number.to_string(), to.device))
        .attr("id", id)
        .attr("type", "text")
        .attr("category", "peer")
        .attr("push_priority", "high")
        .children([enc_node(enc, None)])
        .build()
}

/// Notes what the user sees, and opens the file if there is one.
fn record(phone: &mut Phone, incoming: &Incoming, message: &wa::Message, work: &WorkParts<'_>) {
    let received = Received {
        id: xml::attr(&incoming.node, "id")
            .unwrap_or_default()
            .into_owned(),
        from: Jid::pn_device(incoming.author.number.to_string(), incoming.author.device)
            .to_string(),
        chat: incoming.chat.clone(),
        timestamp: xml::attr_u64(&incoming.node, "t").unwrap_or(work.now_s),
        own: incoming.own,
    };
    let id = received.id.clone();
    let Some(record) = record_of(phone, incoming, received, message) else {
        return;
    };
    keep(phone, incoming, &record, message);
    phone.remember(&id, &incoming.chat, incoming.person, message);
    let has_file = record.media.is_some();
    let seq = phone.inbox_mut().push(record);
    if !has_file {
        return;
    }
    match open_file(message, work) {
        Ok(size) => {
            phone.inbox_mut().media_opened(seq, size);
        }
        Err(e) => tracing::warn!(error = %e, "phone could not open a file"),
    }
}

/// Adds a message to those that new companions will get.
fn keep(phone: &mut Phone, incoming: &Incoming, record: &Record, message: &wa::Message) {
    let chat = ChatName {
        shown: incoming.chat.clone(),
        lid: incoming.chat_lid.clone(),
        name: incoming.chat_name.clone(),
    };
    let text = |key| xml::attr(&incoming.node, key).map(std::borrow::Cow::into_owned);
    let in_group = incoming.from.is_group() || incoming.from.is_status_broadcast();
    let author = xml::attr_jid(&incoming.node, "participant").filter(|_| in_group);
    let kept = Kept {
        id: record.id.clone(),
        at_s: record.timestamp,
        from_me: incoming.own,
        author: author.map(|a| a.to_non_ad().to_string()),
        push_name: text("notify"),
        message: message.clone(),
    };
    phone.keep_message(&chat, record.kind, record.target.as_deref(), kept);
}

/// What the user sees of a message, opened where it is encrypted once more.
fn record_of(
    phone: &Phone,
    incoming: &Incoming,
    received: Received,
    message: &wa::Message,
) -> Option<Record> {
    match phone.open_addon(message, incoming.person) {
        Some(Addon::Message(inner)) => phone::read(received, &inner),
        Some(Addon::Vote(options)) => {
            let mut record = phone::read(received, message)?;
            record.options = options;
            Some(record)
        }
        Some(Addon::Response(answer)) => {
            let mut record = phone::read(received, message)?;
            record.text = Some(answer.as_str().to_owned());
            Some(record)
        }
        None => {
            let mut record = phone::read(received, message)?;
            if message.poll_update_message.is_set() {
                let sealed = ("sealed".to_owned(), "true".to_owned());
                record.details.extend([sealed]);
            }
            Some(record)
        }
    }
}

/// Why a phone did not get a file.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("media host does not have the file")]
    Absent,
    #[error(transparent)]
    Media(#[from] MediaError),
}

/// Downloads and decrypts the file of a message; returns its size.
fn open_file(message: &wa::Message, work: &WorkParts<'_>) -> Result<u64, FileError> {
    let file = MediaRef::of(message)?.ok_or(FileError::Absent)?;
    let stored = (work.media)(&file.direct_path).ok_or(FileError::Absent)?;
    let plain = phone::open_media(&file, &stored)?;
    Ok(plain.len() as u64)
}

fn receipt(incoming: &Incoming) -> Node {
    let mut node = receipt_to(incoming);
    let kind = if xml::attr(&incoming.node, "category").as_deref() == Some("peer") {
        Some("peer_msg")
    } else {
        incoming.own.then_some("sender")
    };
    if let Some(kind) = kind {
        node.attrs.insert("type", kind);
        xml::copy_attr(&incoming.node, &mut node, "recipient");
    }
    node
}

fn receipt_to(incoming: &Incoming) -> Node {
    let mut node = NodeBuilder::new("receipt")
        .attr("to", incoming.from.clone())
        .build();
    for key in ["id", "participant"] {
        xml::copy_attr(&incoming.node, &mut node, key);
    }
    node
}

/// A retry receipt with fresh keys, unless the message was asked for too often.
fn ask_again(phone: &mut Phone, incoming: &Incoming, now_s: u64) -> Option<Node> {
    let encs = incoming.node.get_children_by_tag("enc");
    let asked = encs
        .filter_map(|e| xml::attr_u64(e, "count"))
        .max()
        .unwrap_or(0);
    if asked >= RETRIES_MAX {
        return None;
    }
    let bundle = phone.bundle(true).ok()?;
    let retry = NodeBuilder::new("retry")
        .attr("v", 1_u32)
        .attr("count", asked + 1)
        .attr("id", xml::attr(&incoming.node, "id")?.into_owned())
        .attr(
            "t",
            xml::attr(&incoming.node, "t").map_or_else(|| now_s.to_string(), |t| t.into_owned()),
        )
        .build();
    let registration = leaf("registration", &bundle.registration_id.to_be_bytes());
    let mut keys = vec![
        leaf("type", &[5]),
        leaf("identity", &bundle.identity),
        NodeBuilder::new("skey")
            .children([
                leaf("id", &short(bundle.signed_prekey.id)),
                leaf("value", &bundle.signed_prekey.public),
                leaf("signature", &bundle.signed_prekey.signature),
            ])
            .build(),
    ];
    if let Some((id, public)) = bundle.prekey {
        let key = NodeBuilder::new("key");
        keys.insert(
            2,
            key.children([leaf("id", &short(id)), leaf("value", &public)])
                .build(),
        );
    }
    let mut node = receipt_to(incoming);
    node.attrs.insert("type", "retry");
    let keys = NodeBuilder::new("keys").children(keys).build();
    node.content = Some(wacore_binary::NodeContent::Nodes(vec![
        retry,
        registration,
        keys,
    ]));
    Some(node)
}

/// Answers a retry receipt of another device.
fn resend(phone: &mut Phone, incoming: &Incoming, work: &mut WorkParts<'_>) -> Option<Node> {
    let retry = incoming.node.get_optional_child("retry")?;
    let id = xml::attr(retry, "id")?.into_owned();
    let count = u8::try_from(xml::attr_u64(retry, "count").unwrap_or(1)).ok()?;
    let message = phone.sent(&id)?;
    let bundle = bundle_of(&incoming.node).or_else(|| incoming.bundle.clone());
    let to = incoming.author;
    let enc = match &incoming.group {
        Some(group) => phone.resend_group(group, to, bundle.as_ref(), &message, count, work.rng),
        None => phone.resend(to, bundle.as_ref(), &message, count, work.rng),
    };
    let enc = enc
        .inspect_err(|e| tracing::warn!(error = %e, "phone could not send a message again"))
        .ok()?;
    let mut node = NodeBuilder::new("message")
        .attr("to", incoming.from.clone())
        .attr("id", id)
        .attr("type", "text")
        .children([enc_node(&enc, None)])
        .build();
    xml::copy_attr(&incoming.node, &mut node, "participant");
    xml::copy_attr(&incoming.node, &mut node, "recipient");
    Some(node)
}

/// The keys that came with a retry receipt.
fn bundle_of(receipt: &Node) -> Option<Bundle> {
    let keys = receipt.get_optional_child("keys")?;
    let registration: [u8; 4] = xml::child_array(receipt, "registration")?;
    let signed = SignedKey::read(keys.get_optional_child("skey")?)?;
    let prekey = keys.get_optional_child("key").and_then(|key| {
        let id: [u8; 3] = xml::child_array(key, "id")?;
        Some((iq_long(id), xml::child_array(key, "value")?))
    });
    Some(Bundle {
        registration_id: u32::from_be_bytes(registration),
        identity: xml::child_array(keys, "identity")?,
        signed_prekey: phone::SignedPrekey {
            id: iq_long(signed.id),
            public: signed.public,
            signature: signed.signature,
        },
        prekey,
    })
}

/// `<enc>` as a phone writes it; `media` is the kind of file in it.
pub(crate) fn enc_node(enc: &phone::Enc, media: Option<&'static str>) -> Node {
    let mut node = NodeBuilder::new("enc")
        .attr("v", 2_u32)
        .attr("type", enc.kind.as_str());
    if let Some(count) = enc.count {
        node = node.attr("count", u32::from(count));
    }
    if let Some(media) = media {
        node = node.attr("mediatype", media);
    }
    node.bytes(enc.bytes.clone()).build()
}

fn leaf(tag: &'static str, bytes: &[u8]) -> Node {
    NodeBuilder::new(tag).bytes(bytes.to_vec()).build()
}

fn short(id: u32) -> [u8; 3] {
    let [_, a, b, c] = id.to_be_bytes();
    [a, b, c]
}
