//! Takes a person out of the address book: a REMOVE, which the library cannot send.
//!
//! The patch is built by the library's own processor from the rows it stands on, and nothing of it is written here: the
//! library reads it back from WhatsApp like any other device's patch, in its own order and under its own locks. Two
//! things could go wrong. The rows could be read while the library writes them: then their sum differs from the stored
//! one, and they are read again. And the version could be behind: then WhatsApp refuses the patch, and the library is
//! made to read what it missed.

use std::sync::Arc;
use std::time::Duration;

use buffa::MessageField;
use switchboard_vocab::UserId;
use wacore::appstate::encode::encode_record;
use wacore::appstate::hash::generate_index_mac;
use wacore::appstate::keys::expand_app_state_keys;
use wacore::appstate::lthash::WAPATCH_INTEGRITY;
use wacore::appstate::patch_decode::{
    CollectionSyncError, PatchList, WAPatchName, parse_patch_list,
};
use wacore::appstate::schemas::CONTACT;
use wacore::appstate_sync::AppStateProcessor;
use wacore::iq::spec::IqSpec;
use wacore::request::InfoQuery;
use wacore::store::traits::AppSyncStore;
use wacore_binary::builder::NodeBuilder;
use wacore_binary::{Jid, NodeContent, NodeRef, Server};
use waproto::whatsapp as wa;
use whatsapp_rust::{Client, TokioRuntime, anyhow};

use crate::account::collections;
use crate::api::Error;
use crate::ask::{ASK_TIMEOUT, ask};
use crate::backend::Backend;
use crate::outgoing::chain;
use crate::{addresses, clock};

/// Most patches that are tried.
const TRIES_MAX: usize = 3;
/// Most readings of the rows until they agree.
const READINGS_MAX: usize = 10;
/// Pause between two readings: the library is writing.
const READING_PAUSE: Duration = Duration::from_millis(200);

fn refusal(text: &str) -> Error {
    Error::Refused {
        code: None,
        text: format!("remove a contact: {text}"),
    }
}

fn store(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::Store(format!("remove a contact: {}", chain(error)))
}

/// Takes a person out of the address book.
pub(super) async fn contact(
    client: &Arc<Client>,
    backend: &Arc<Backend>,
    user: &UserId,
) -> Result<(), Error> {
    let jid = addresses::jid_of_user(user);
    let known = addresses::person(client, &jid, None).await;
    let main = known.map_or_else(|| user.clone(), |person| person.main);
    if matches!(main, UserId::Lid(_)) {
        return Err(refusal("only contacts with a number can be removed"));
    }
    let jid = addresses::jid_of_user(&main);
    for attempt in 1..=TRIES_MAX {
        let (patch, base) = build(backend, &jid).await?;
        let spec = PatchSpec { patch, base };
        let answer = ask("remove a contact", client.execute(spec)).await?;
        match answer.and_then(|list| list.error) {
            None => return Ok(()),
            Some(CollectionSyncError::Conflict { .. }) if attempt < TRIES_MAX => {
                collections::read(client, collection()).await;
            }
            Some(CollectionSyncError::Conflict { .. }) => break,
            Some(error) => return Err(refusal(&error.to_string())),
        }
    }
    Err(Error::Conflict("remove a contact".to_owned()))
}

fn collection() -> WAPatchName {
    CONTACT
        .collection
        .as_str()
        .parse()
        .unwrap_or(WAPatchName::Unknown)
}

/// The patch and the version it stands on.
async fn build(backend: &Arc<Backend>, jid: &Jid) -> Result<(Vec<u8>, u64), Error> {
    let name = CONTACT.collection.as_str();
    let key_id = backend
        .get_latest_sync_key_id()
        .await
        .map_err(|error| store(&error))?
        .ok_or_else(|| refusal("the phone has not shared its keys yet"))?;
    let key = backend
        .get_sync_key(&key_id)
        .await
        .map_err(|error| store(&error))?
        .ok_or_else(|| refusal("the phone has not shared its keys yet"))?;
    let keys = expand_app_state_keys(&key.key_data);
    let index = serde_json::to_vec(&[CONTACT.name, &jid.to_string()])
        .map_err(|error| refusal(&error.to_string()))?;
    let index_mac = generate_index_mac(&index, &keys.index);
    let value = wa::SyncActionValue {
        timestamp: i64::try_from(clock::now().as_millis()).ok(),
        contact_action: MessageField::some(Default::default()),
        ..Default::default()
    };
    let (mutation, _) = encode_record(
        wa::syncd_mutation::SyncdOperation::REMOVE,
        &index,
        &value,
        &keys,
        &key_id,
        &rand::random(),
        i32::try_from(CONTACT.version).unwrap_or(i32::MAX),
    );
    let processor = AppStateProcessor::new(Arc::clone(backend) as Arc<_>, Arc::new(TokioRuntime));
    for _ in 0..READINGS_MAX {
        let before = backend
            .get_version(name)
            .await
            .map_err(|error| store(&error))?;
        let macs = backend
            .all_mutation_macs(name)
            .await
            .map_err(|error| store(&error))?;
        if !macs.contains_key(&index_mac) {
            return Err(refusal("they are not in the address book"));
        }
        let (patch, base) = processor
            .build_patch(name, vec![mutation.clone()])
            .await
            .map_err(|error| refusal(&format!("{error:#}")))?;
        let after = backend
            .get_version(name)
            .await
            .map_err(|error| store(&error))?;
        let values: Vec<&Vec<u8>> = macs.values().collect();
        let none: [&[u8]; 0] = [];
        let sum = WAPATCH_INTEGRITY.subtract_then_add(&[0; 128], &none, &values);
        let is_still = before.version == after.version && before.hash == after.hash;
        if is_still && base == before.version && sum.as_slice() == before.hash.as_slice() {
            return Ok((patch, base));
        }
        tokio::time::sleep(READING_PAUSE).await;
    }
    Err(refusal(
        "the address book on this device does not agree with itself; it is read anew with the next full synchronisation",
    ))
}

/// Sends one patch. Source of the shape: whatsapp-rust 0.7.0, `send_app_state_patch`.
#[derive(Debug)]
struct PatchSpec {
    patch: Vec<u8>,
    base: u64,
}

impl IqSpec for PatchSpec {
    type Response = Option<PatchList>;

    fn build_iq(&self) -> InfoQuery<'static> {
        let patch = NodeBuilder::new("patch").bytes(self.patch.clone()).build();
        let collection = NodeBuilder::new("collection")
            .attr("name", CONTACT.collection.as_str())
            .attr("version", self.base)
            .attr("return_snapshot", "false")
            .children([patch])
            .build();
        let sync = NodeBuilder::new("sync").children([collection]).build();
        InfoQuery::set(
            "w:sync:app:state",
            Jid::new("", Server::Pn),
            Some(NodeContent::Nodes(vec![sync])),
        )
        .with_timeout(ASK_TIMEOUT)
    }

    fn parse_response(&self, response: &NodeRef<'_>) -> anyhow::Result<Self::Response> {
        let response = response.to_owned();
        // An answer without a collection is a plain yes.
        if response
            .get_optional_child_by_tag(&["sync", "collection"])
            .is_none()
        {
            return Ok(None);
        }
        parse_patch_list(&response).map(Some)
    }
}
