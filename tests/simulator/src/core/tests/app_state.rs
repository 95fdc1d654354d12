//! App state, stanza by stanza.

use std::collections::BTreeMap;

use super::*;
use crate::core::app_state::PATCHES_MAX;
use crate::phone::Act;

/// A patch of the account's phone for the version that it has read.
fn patch(double: &Double, at_ms: i64) -> Vec<u8> {
    let act = Act::EditLabel {
        id: "1".to_owned(),
        name: format!("label at {at_ms}"),
        color: 1,
    };
    let phone = double.server.phone_of(&ALICE.to_string()).unwrap();
    let mut rng = double.server.seeds.rng("test", 0);
    let drafts = act.draft(&BTreeMap::new(), at_ms);
    phone
        .lock()
        .unwrap()
        .write_app_state("regular", &drafts, &mut rng)
        .1
}

fn sync(name: &'static str, version: u64, patch: Option<Vec<u8>>) -> Node {
    let mut collection = NodeBuilder::new("collection")
        .attr("name", name)
        .attr("version", version)
        .attr(
            "return_snapshot",
            if version == 0 { "true" } else { "false" },
        );
    if let Some(patch) = patch {
        collection = collection.children([NodeBuilder::new("patch").bytes(patch).build()]);
    }
    let sync = NodeBuilder::new("sync").children([collection.build()]);
    iq("w:sync:app:state", "set", sync.build())
}

/// The answer about one collection.
fn answer(double: &mut Double, conn: ConnId, request: &Node) -> Node {
    double.say(conn, request);
    let sent = double.take(conn);
    let answer = sent.iter().find(|n| n.tag == "iq").unwrap();
    let sync = answer.get_optional_child("sync").unwrap();
    sync.get_optional_child("collection").unwrap().clone()
}

fn code(collection: &Node) -> Option<u64> {
    xml::attr_u64(collection.get_optional_child("error")?, "code")
}

fn patches(collection: &Node) -> usize {
    let patches = collection.get_optional_child("patches");
    patches.map_or(0, |p| xml::children(p).len())
}

#[test]
fn who_is_late_gets_what_was_missed_with_the_refusal() {
    let mut double = Double::new();
    double.companion(ALICE);
    double.companion(ALICE);
    let first = double.active(ALICE, 1);
    let second = double.active(ALICE, 2);
    let patch = patch(&double, 1);

    let taken = answer(&mut double, first, &sync("regular", 0, Some(patch.clone())));
    assert_eq!(xml::attr_u64(&taken, "version"), Some(1));
    let told = double.take(second);
    assert_eq!(tags(&told), ["notification:server_sync"]);
    let refused = answer(&mut double, second, &sync("regular", 0, Some(patch)));
    assert_eq!((code(&refused), patches(&refused)), (Some(409), 1));
    let unknown = answer(&mut double, second, &sync("nonsense", 0, None));
    assert_eq!(code(&unknown), Some(404));
    let broken = answer(&mut double, second, &sync("regular", 1, Some(vec![9; 9])));
    assert_eq!(code(&broken), Some(400));
    assert!(double.take(first).is_empty(), "nothing else was written");
}

#[test]
fn a_snapshot_is_stored_once_and_for_those_who_need_it() {
    let mut double = Double::new();
    let alice = double.companion(ALICE);
    let conn = double.active(ALICE, 1);
    let count = PATCHES_MAX as u64 + 1;
    for version in 0..count {
        let patch = patch(&double, 1);
        let taken = double
            .server
            .upload_app_state(alice, "regular", version, &patch);
        assert_eq!(taken, Ok(version + 1));
    }
    double.settle();
    double.take(conn);
    let kept = (PATCHES_MAX / 2) as u64;
    for _ in 0..2 {
        let whole = answer(&mut double, conn, &sync("regular", 0, None));
        assert!(whole.get_optional_child("snapshot").is_some());
    }
    assert_eq!(double.stored, 1);
    let recent = answer(&mut double, conn, &sync("regular", count - kept, None));
    assert!(recent.get_optional_child("snapshot").is_none());
    let behind = answer(&mut double, conn, &sync("regular", count - kept - 1, None));
    assert!(behind.get_optional_child("snapshot").is_some());
}
