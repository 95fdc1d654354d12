//! What a session may keep when its keys are known to be older than what ran (design-notes 3.6, lossy restore).
//!
//! Whoever owned it since has moved its ratchets on: a counter used again would encrypt two messages with one key, and a
//! prekey used again would open a message twice. So everything that counts goes, and peers set up anew with the login.

use switchboard_keystore::{Epoch, KeyStore, Kind, Namespace, Op, ScanRange};

use super::{PAGE_ENTRIES, SCAN_ROWS_MAX, keys, kinds, prekeys, rows};
use crate::api::Error;
use crate::outgoing::chain;

/// How many one-time prekeys the lost owner may have made since the copy: over three hundred times the server's pool.
const PREKEYS_SINCE: u32 = 1 << 18;
/// The highest id of a prekey. Source: 24 bits on the wire; whatsapp-rust 0.7.0, `MAX_PREKEY_ID`.
const PREKEY_ID_MAX: u32 = 16_777_215;
/// Ids left free below the highest, so that the first upload does not cross it.
const PREKEY_ROOM: u32 = 1 << 16;

/// Counters, and what only has a meaning with them.
const COUNTED: [Kind; 7] = [
    kinds::SESSION,
    kinds::PREKEYS,
    kinds::PREKEY_MARKS,
    kinds::SENDER_KEY,
    kinds::SENDER_KEY_DEVICE,
    kinds::SENDER_KEY_GROUP,
    kinds::BASE_KEY,
];
/// What WhatsApp told the lost owner about others and will not tell again; asked for anew when it is missing.
const OVERHEARD: [Kind; 2] = [kinds::DEVICE_LIST, kinds::GROUP_METADATA];

/// What [`strip_for_lossy_restore`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stripped {
    /// Whether there is a login; without one the session is paired anew.
    pub is_paired: bool,
    /// Signal sessions that are gone.
    pub sessions: usize,
    /// Sender keys of groups that are gone.
    pub sender_keys: usize,
    /// The id of the first prekey of the next upload.
    pub next_prekey: u32,
}

/// Makes an old copy of a session fit to run: the login, the identities and the app state stay; Signal sessions, sender
/// keys and prekeys go. The next connection uploads fresh prekeys with ids above any that may have been used; messages
/// encrypted for what is gone are asked for again.
///
/// To be called on a session that does not run, before it is opened. One commit; calling it again only skips more ids.
///
/// # Errors
/// [`Error::Store`] when the copy cannot be read or changed, a later owner included; it must not be run then.
pub async fn strip_for_lossy_restore(
    store: &dyn KeyStore,
    ns: &Namespace,
    epoch: Epoch,
) -> Result<Stripped, Error> {
    let failed = |error: switchboard_keystore::Error| Error::Store(chain(&error));
    let unreadable = |error: wacore::store::error::StoreError| Error::Store(chain(&error));
    let mut stripped = Stripped {
        is_paired: false,
        sessions: count(store, ns, kinds::SESSION).await?,
        sender_keys: count(store, ns, kinds::SENDER_KEY).await?,
        next_prekey: 1,
    };
    let mut ops: Vec<Op> = COUNTED
        .into_iter()
        .chain(OVERHEARD)
        .map(|kind| Op::DeleteRange {
            kind,
            from: Vec::new(),
            to: keys::last(),
        })
        .collect();
    let page = store.scan(ns, kinds::PREKEYS, prekeys::last_page()).await;
    let last = prekeys::last_id(page.map_err(failed)?).map_err(unreadable)?;
    if let Some(row) = store.get(ns, kinds::DEVICE, b"").await.map_err(failed)? {
        let mut device = rows::decode_device(&row).map_err(unreadable)?;
        let next = device.next_pre_key_id.max(last.saturating_add(1));
        // An empty window behind everything, and a server that is believed to have nothing: the library uploads at login.
        device.next_pre_key_id = behind(next);
        device.first_unupload_pre_key_id = device.next_pre_key_id;
        device.server_has_prekeys = false;
        stripped.is_paired = device.account.is_some();
        stripped.next_prekey = device.next_pre_key_id;
        ops.push(Op::Put {
            kind: kinds::DEVICE,
            key: Vec::new(),
            value: rows::encode_device(&device).map_err(unreadable)?,
        });
    }
    store.commit(ns, epoch, ops).await.map_err(failed)?;
    Ok(stripped)
}

/// The first id that the lost owner has not used. At the end of the numbers they begin anew, as the library's do.
fn behind(next: u32) -> u32 {
    let behind = next.saturating_add(PREKEYS_SINCE);
    if behind > PREKEY_ID_MAX - PREKEY_ROOM {
        1
    } else {
        behind
    }
}

async fn count(store: &dyn KeyStore, ns: &Namespace, kind: Kind) -> Result<usize, Error> {
    let mut range = ScanRange::all(PAGE_ENTRIES);
    let mut count = 0;
    while count < SCAN_ROWS_MAX {
        let page = store.scan(ns, kind, range.clone()).await;
        let page = page.map_err(|error| Error::Store(chain(&error)))?;
        count += page.entries.len();
        match page.entries.into_iter().next_back() {
            Some((last, _)) if page.more => range.from = std::ops::Bound::Excluded(last),
            Some(_) | None => break,
        }
    }
    Ok(count)
}
