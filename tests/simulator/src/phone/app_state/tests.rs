use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::*;

const CHAT: &str = "15550100002@s.whatsapp.net";

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([3; 32])
}

fn phone() -> Phone {
    Phone::new(15_550_100_001, 100_000_000_000_001, "p", 1)
}

fn drafts(act: &Act, at_ms: i64) -> Vec<Drafted> {
    act.draft(&BTreeMap::new(), at_ms)
}

fn archive(on: bool) -> Act {
    Act::Archive {
        chat: CHAT.to_owned(),
        on,
    }
}

/// Gives a patch to the phone as the server would, after `change` touched it.
fn read(
    phone: &mut Phone,
    version: u64,
    patch: &[u8],
    change: impl FnOnce(&mut wa::SyncdPatch),
) -> Vec<AppStateFault> {
    let mut patch = wa::SyncdPatch::decode_from_slice(patch).unwrap();
    patch.version = wa::SyncdVersion {
        version: Some(version),
    }
    .into();
    change(&mut patch);
    let news = SyncNews {
        snapshot: None,
        patches: vec![SyncPatch {
            by: 1,
            bytes: patch.encode_to_vec().into(),
        }],
    };
    let faults = phone.read_app_state("regular_low", &news);
    assert!(faults.iter().all(|(by, _)| *by == 1));
    faults.into_iter().map(|(_, fault)| fault).collect()
}

fn value_of(patch: &mut wa::SyncdPatch) -> &mut Vec<u8> {
    let record = patch.mutations[0].record.as_option_mut().unwrap();
    record.value.as_option_mut().unwrap().blob.as_mut().unwrap()
}

#[test]
fn each_wrong_mac_is_named() {
    let spoilt = |change: fn(&mut wa::SyncdPatch)| {
        let mut phone = phone();
        let (base, patch) =
            phone.write_app_state("regular_low", &drafts(&archive(false), 1), &mut rng());
        assert_eq!(base, 0);
        read(&mut phone, 1, &patch, change)
    };
    assert_eq!(spoilt(|_| {}), []);
    assert_eq!(
        spoilt(|p| p.patch_mac = Some(vec![0; 32])),
        [AppStateFault::PatchMac]
    );
    assert_eq!(
        spoilt(|p| p.snapshot_mac = Some(vec![0; 32])),
        [AppStateFault::SnapshotMac, AppStateFault::PatchMac]
    );
    assert_eq!(
        spoilt(|p| value_of(p)[20] ^= 1),
        [AppStateFault::ValueMac],
        "the mac of the value is untouched, so all others hold"
    );
    assert_eq!(
        spoilt(|p| {
            let record = p.mutations[0].record.as_option_mut().unwrap();
            record.index.as_option_mut().unwrap().blob.as_mut().unwrap()[0] ^= 1;
        }),
        [AppStateFault::IndexMac]
    );
    assert_eq!(
        spoilt(|p| p.key_id = wa::KeyId {
            id: Some(vec![9; 6])
        }
        .into()),
        [AppStateFault::UnknownKey]
    );
}

#[test]
fn after_a_fault_the_next_correct_patch_fits() {
    let mut reader = phone();
    let mut writer = phone();
    let mut rng = rng();
    let (_, one) = writer.write_app_state("regular_low", &drafts(&archive(true), 1), &mut rng);
    assert_eq!(read(&mut writer, 1, &one, |_| {}), []);
    let wrong = read(&mut reader, 1, &one, |p| p.snapshot_mac = Some(vec![0; 32]));
    assert!(wrong.contains(&AppStateFault::SnapshotMac));
    let (base, two) = writer.write_app_state("regular_low", &drafts(&archive(false), 2), &mut rng);
    assert_eq!(base, 1);
    assert_eq!(read(&mut reader, 2, &two, |_| {}), []);
    // What was read is not read again, and a gap is not jumped.
    assert_eq!(read(&mut reader, 2, &two, |_| {}), []);
    assert_eq!(read(&mut reader, 4, &two, |_| {}), []);
    assert_eq!(reader.app_state_version("regular_low"), 2);
}

#[test]
fn removals_take_the_record_and_its_part_of_the_sum() {
    let mut phone = phone();
    let mut rng = rng();
    let set = drafts(&archive(true), 1);
    let (_, patch) = phone.write_app_state("regular_low", &set, &mut rng);
    assert_eq!(read(&mut phone, 1, &patch, |_| {}), []);
    assert!(phone.has_app_state("regular_low", &set[0].index));
    let gone: Vec<Drafted> = set
        .into_iter()
        .map(|d| Drafted { remove: true, ..d })
        .collect();
    let (_, patch) = phone.write_app_state("regular_low", &gone, &mut rng);
    assert_eq!(read(&mut phone, 2, &patch, |_| {}), []);
    assert!(phone.told().is_empty());
    let state = phone.app_state.as_ref().unwrap();
    assert_eq!(state.collections["regular_low"].hash, [0; 128]);
    let (_, again) = phone.write_app_state("regular_low", &gone, &mut rng);
    assert_eq!(read(&mut phone, 3, &again, |_| {}), [AppStateFault::Absent]);
}

/// Acts on one chat by both of its addresses, on labels and on settings.
fn acts() -> Vec<Act> {
    let chat = || CHAT.to_owned();
    let lid = || "7@lid".to_owned();
    vec![
        Act::Pin {
            chat: chat(),
            on: true,
        },
        Act::Archive {
            chat: lid(),
            on: true,
        },
        Act::Mute {
            chat: chat(),
            until_ms: Some(99),
            on: true,
        },
        Act::MarkUnread { chat: lid() },
        Act::EditLabel {
            id: "1".to_owned(),
            name: "one".to_owned(),
            color: 3,
        },
        Act::EditLabel {
            id: "2".to_owned(),
            name: "two".to_owned(),
            color: 4,
        },
        Act::LabelChat {
            id: "1".to_owned(),
            chat: chat(),
            on: true,
        },
        Act::LabelChat {
            id: "2".to_owned(),
            chat: chat(),
            on: true,
        },
        Act::DeleteLabel { id: "2".to_owned() },
        Act::SetLocale {
            locale: "de".to_owned(),
        },
        Act::SetTimeFormat {
            twenty_four_hours: true,
        },
    ]
}

#[test]
fn what_is_told_makes_what_is_shown() {
    let names = BTreeMap::from([("7@lid".to_owned(), CHAT.to_owned())]);
    let mut newest = BTreeMap::new();
    for (act, at) in acts().iter().zip(1..) {
        for draft in drafts(act, at) {
            newest.insert(draft.index.clone(), draft);
        }
    }
    let mut told: Vec<Told> = newest
        .into_values()
        .map(|d| Told {
            at_ms: d.value.timestamp.unwrap(),
            index: d.index,
            value: d.value,
        })
        .collect();
    told.sort_by_key(|t| t.at_ms);
    let state = State::of(&told, &names);
    let shown = &state.chats[CHAT];
    assert_eq!(state.chats.len(), 1, "both addresses are one chat");
    assert!(shown.archived && !shown.pinned && shown.unread);
    assert_eq!(shown.muted_until_ms, Some(99));
    assert_eq!(shown.labels.iter().collect::<Vec<_>>(), ["1"]);
    assert_eq!(state.labels["1"].color, 3);
    assert_eq!(state.settings.locale.as_deref(), Some("de"));
    assert_eq!(state.settings.twenty_four_hours, Some(true));
    told.push(Told {
        index: vec!["deleteChat".to_owned(), "7@lid".to_owned(), "0".to_owned()],
        at_ms: 100,
        value: wa::SyncActionValue::default(),
    });
    let shown = &State::of(&told, &names).chats[CHAT];
    assert!(!shown.archived && shown.deleted_at_ms == Some(100));
}
