use rand_chacha::rand_core::SeedableRng as _;

use super::*;
use crate::phone::{Act, Phone};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([1; 32])
}

/// A phone, to write well-formed patches.
fn phone() -> Phone {
    Phone::new(15_550_100_001, 100_000_000_000_001, "p", 1)
}

fn label(id: usize, at_ms: i64) -> Vec<crate::phone::Drafted> {
    Act::EditLabel {
        id: id.to_string(),
        name: format!("label {id}"),
        color: 1,
    }
    .draft(&BTreeMap::new(), at_ms)
}

/// Writes `count` patches to `regular`, of 50 labels in turn, and has the phone read each.
fn write(state: &mut AppState, phone: &mut Phone, count: usize) {
    let mut rng = rng();
    for n in 0..count {
        let at = i64::try_from(n).unwrap();
        let (base, patch) = phone.write_app_state("regular", &label(n % 50, at), &mut rng);
        state.upload("regular", base, 0, &patch).unwrap();
        let news = state.news("regular", base).unwrap();
        assert_eq!(phone.read_app_state("regular", &news), []);
    }
}

#[test]
fn versions_are_optimistic_and_pages_complete() {
    let mut state = AppState::default();
    let mut phone = phone();
    write(&mut state, &mut phone, 150);
    let (_, patch) = phone.write_app_state("regular", &label(1, 1), &mut rng());
    assert_eq!(
        state.upload("nonsense", 0, 1, &patch),
        Err(UploadError::Unknown)
    );
    assert_eq!(
        state.upload("regular", 149, 1, &patch),
        Err(UploadError::Conflict)
    );
    let (first, blob) = state.fetch("regular", 0, true, &mut rng()).unwrap();
    assert_eq!(blob, None, "patches alone are enough");
    assert_eq!(
        (first.patches.len(), first.version, first.more),
        (100, 100, true)
    );
    let (second, _) = state
        .fetch("regular", first.version, false, &mut rng())
        .unwrap();
    assert_eq!(
        (second.patches.len(), second.version, second.more),
        (50, 150, false)
    );
    let decoded = wa::SyncdPatch::decode_from_slice(&second.patches[0]).unwrap();
    assert_eq!(decoded.version.into_option().unwrap().version, Some(101));
    let (none, _) = state.fetch("critical_block", 0, true, &mut rng()).unwrap();
    assert_eq!(none, Fetched::default());
}

#[test]
fn old_patches_become_a_snapshot_that_a_fresh_phone_can_verify() {
    let mut state = AppState::default();
    let mut writer = phone();
    write(&mut state, &mut writer, 60);
    let gone: Vec<_> = label(7, 60)
        .into_iter()
        .map(|d| crate::phone::Drafted { remove: true, ..d })
        .collect();
    let (base, patch) = writer.write_app_state("regular", &gone, &mut rng());
    state.upload("regular", base, 0, &patch).unwrap();
    let news = state.news("regular", base).unwrap();
    assert_eq!(writer.read_app_state("regular", &news), []);
    for n in (0..PATCHES_MAX).filter(|n| n % 50 != 7) {
        let at = i64::try_from(100 + n).unwrap();
        let (base, patch) = writer.write_app_state("regular", &label(n % 50, at), &mut rng());
        state.upload("regular", base, 0, &patch).unwrap();
        let news = state.news("regular", base).unwrap();
        assert_eq!(writer.read_app_state("regular", &news), []);
    }
    let (fetched, blob) = state.fetch("regular", 0, true, &mut rng()).unwrap();
    assert!(fetched.snapshot.is_some() && blob.is_some());
    let (again, blob) = state.fetch("regular", 3, false, &mut rng()).unwrap();
    assert_eq!(again, fetched, "too old for patches alone");
    assert_eq!(blob, None, "the file is there already");

    // The same account on a new phone reads snapshot and patches without a fault.
    let mut fresh = phone();
    let news = state.news("regular", 0).unwrap();
    assert!(news.snapshot.is_some());
    assert_eq!(fresh.read_app_state("regular", &news), []);
    assert_eq!(fresh.told(), writer.told());
    assert_eq!(fresh.told().len(), 49);
}

#[test]
fn incomplete_patches_are_refused() {
    let mut state = AppState::default();
    let (_, good) = phone().write_app_state("regular", &label(1, 1), &mut rng());
    let good = wa::SyncdPatch::decode_from_slice(&good).unwrap();
    let mut without_mac = good.clone();
    without_mac.snapshot_mac = None;
    let mut elsewhere = good.clone();
    elsewhere.external_mutations = wa::ExternalBlobReference::default().into();
    let mut short = good.clone();
    if let Some(record) = short.mutations[0].record.as_option_mut() {
        record.index = wa::SyncdIndex {
            blob: Some(vec![1; 31]),
        }
        .into();
    }
    for bad in [without_mac, elsewhere, short] {
        assert_eq!(
            state.upload("regular", 0, 1, &bad.encode_to_vec()),
            Err(UploadError::Unreadable)
        );
    }
    assert_eq!(
        state.upload("regular", 0, 1, b"nonsense"),
        Err(UploadError::Unreadable)
    );
    assert_eq!(state.upload("regular", 0, 1, &good.encode_to_vec()), Ok(1));
}
