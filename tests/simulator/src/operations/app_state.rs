//! What the user does on the phone besides sending, and what the phone shows of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Error, chain};
use crate::core::app_state::{COLLECTIONS, MUTATIONS_MAX, UploadError};
use crate::core::ids::{AccountId, DeviceId, PHONE};
use crate::phone::{Act, Drafted, Named, Phone, State};
use crate::shell::hub::Hub;

/// Most acts in one call.
pub const ACTS_MAX: usize = 10_000;
/// How often a phone tries to write while companions write at the same time.
const ATTEMPTS_MAX: usize = 16;

pub(super) type SharedPhone = Arc<Mutex<Phone>>;

pub(super) fn lock(phone: &SharedPhone) -> Result<MutexGuard<'_, Phone>, Error> {
    phone
        .lock()
        .map_err(|_| Error::Refused("app state: the phone is broken".to_owned()))
}

pub(super) fn find(hub: &Hub, number: &str) -> Result<(AccountId, SharedPhone), Error> {
    hub.with(|server| server.account_and_phone(number))
        .ok_or_else(|| Error::NotFound(format!("app state: no account has {number:?}")))
}

/// The user does these things, one after another.
pub(crate) fn act(hub: &Hub, number: &str, acts: &[Act]) -> Result<(), Error> {
    if acts.len() > ACTS_MAX {
        return Err(Error::Bad(format!("act: more than {ACTS_MAX} at once")));
    }
    let (account, phone) = find(hub, number)?;
    let mut names = BTreeMap::new();
    for text in acts.iter().flat_map(Act::names) {
        if !names.contains_key(text) {
            let mut named = hub
                .with(|server| server.named(text))
                .ok_or_else(|| Error::Bad(format!("act: {text:?} is no number or address")))?;
            named.range = lock(&phone)?.message_range(&named.shown);
            names.insert(text.to_owned(), named);
        }
    }
    catch_up(hub, account, &phone)?;
    let now_ms = i64::try_from(hub.clock.now_ms()).unwrap_or(i64::MAX);
    let mut drafts = Vec::new();
    for (act, at) in acts.iter().zip(0_i64..) {
        drafts.extend(draft(&phone, act, &names, now_ms.saturating_add(at))?);
        hub.with(|server| server.user_acts(account, act));
    }
    for patch in patches(drafts) {
        write(hub, account, &phone, &patch)?;
    }
    Ok(())
}

fn draft(
    phone: &SharedPhone,
    act: &Act,
    names: &BTreeMap<String, Named>,
    now_ms: i64,
) -> Result<Vec<Drafted>, Error> {
    let drafts = act.draft(names, now_ms);
    let phone = lock(phone)?;
    let missing = drafts
        .iter()
        .find(|d| d.remove && !phone.has_app_state(d.collection, &d.index));
    match missing {
        Some(d) => Err(Error::NotFound(format!(
            "act: nothing to remove at {:?}",
            d.index
        ))),
        None => Ok(drafts),
    }
}

/// Puts changes together into patches, in order. A patch has one collection and no index twice.
fn patches(drafts: Vec<Drafted>) -> Vec<Vec<Drafted>> {
    let mut patches: Vec<Vec<Drafted>> = Vec::new();
    let mut open: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for draft in drafts {
        let key = (draft.collection, draft.index.clone());
        let at = open.get(draft.collection).copied();
        let full = at
            .and_then(|at| patches.get(at))
            .is_none_or(|p| p.len() >= MUTATIONS_MAX / 10);
        if full || seen.contains(&key) {
            open.insert(draft.collection, patches.len());
            seen.retain(|(collection, _)| *collection != draft.collection);
            patches.push(Vec::new());
        }
        seen.insert(key);
        let at = open.get(draft.collection).copied().unwrap_or_default();
        if let Some(patch) = patches.get_mut(at) {
            patch.push(draft);
        }
    }
    patches
}

/// Writes one patch. Companions may write at the same time; then the phone reads that first.
fn write(
    hub: &Hub,
    account: AccountId,
    phone: &SharedPhone,
    changes: &[Drafted],
) -> Result<(), Error> {
    let Some(name) = changes.first().map(|c| c.collection) else {
        return Ok(());
    };
    let mut rng = hub.with(|server| {
        let number = server.stanza_number();
        server.seeds.rng("app-state patch", number)
    });
    let from = DeviceId {
        account,
        device: PHONE,
    };
    for _ in 0..ATTEMPTS_MAX {
        let (base, patch) = lock(phone)?.write_app_state(name, changes, &mut rng);
        let taken = hub.with(|server| server.upload_app_state(from, name, base, &patch));
        catch_up(hub, account, phone)?;
        match taken {
            Ok(_) => return Ok(()),
            Err(UploadError::Conflict) => {}
            Err(e) => return Err(Error::Refused(chain(&e))),
        }
    }
    Err(Error::Busy(
        "act: companions keep writing the same collection".to_owned(),
    ))
}

/// Has the phone read all that was written.
fn catch_up(hub: &Hub, account: AccountId, phone: &SharedPhone) -> Result<(), Error> {
    let versions = {
        let phone = lock(phone)?;
        COLLECTIONS.map(|name| (name, phone.app_state_version(name)))
    };
    let news = hub.with(|server| server.app_state_news(account, &versions));
    if !news.is_empty() {
        let read = lock(phone)?.read_all_app_state(&news);
        hub.with(|server| server.app_state_read(account, &read));
    }
    Ok(())
}

/// What the phone shows, all companions' changes included.
pub(crate) fn phone_state(hub: &Hub, number: &str) -> Result<State, Error> {
    let (account, phone) = find(hub, number)?;
    catch_up(hub, account, &phone)?;
    let (told, versions) = {
        let phone = lock(&phone)?;
        let versions = COLLECTIONS.map(|name| (name.to_owned(), phone.app_state_version(name)));
        (phone.told(), versions)
    };
    let addresses = told.iter().flat_map(|t| t.index.iter().skip(1));
    let lids: std::collections::BTreeSet<&String> =
        addresses.filter(|a| a.ends_with("@lid")).collect();
    let names = hub.with(|server| {
        let shown = |lid: &&String| Some(((*lid).clone(), server.named(lid)?.shown));
        lids.iter().filter_map(shown).collect()
    });
    let mut state = State::of(&told, &names);
    state.versions = versions.into_iter().filter(|(_, v)| *v > 0).collect();
    Ok(state)
}
