use proptest::prelude::*;

use super::*;

fn names() -> Names {
    Names::new("c1").unwrap()
}

#[test]
fn names_are_as_the_contract_says() {
    let names = names();
    assert_eq!(
        names.node_rpc("node-1.example").unwrap().as_str(),
        "sb.c1.node.node-1=2Eexample.rpc"
    );
    assert_eq!(names.nodes().as_str(), "c1_nodes");
    assert_eq!(names.owners().as_str(), "c1_owners");
    assert_eq!(names.sessions().as_str(), "c1_sessions");
    assert_eq!(names.tenants().as_str(), "c1_tenants");
    assert_eq!(names.wal_stream().as_str(), "c1_wal");
    assert_eq!(names.wal("t", "s.1").unwrap().as_str(), "sb.c1.wal.t.s=2E1");
    assert_eq!(names.snapshots_stream().as_str(), "c1_snapshots");
    let snapshots = names.snapshots("t", "s.1").unwrap();
    assert_eq!(snapshots.as_str(), "sb.c1.snapshot.t.s=2E1");
    assert!(names.all_snapshots().matches(&snapshots) && !names.all_wal().matches(&snapshots));
    assert_eq!(Key::owner("t", "s.1").unwrap().as_str(), "t.s=2E1");
    assert_eq!(
        Subject::events("default", "s1", "message")
            .unwrap()
            .as_str(),
        "wa.default.s1.events.message"
    );
}

#[test]
fn a_cluster_id_that_needs_an_escape_is_refused() {
    for cluster in ["", "a.b", "a b", "ä", &"x".repeat(33)] {
        assert!(
            matches!(Names::new(cluster), Err(Error::Name { .. })),
            "{cluster:?}"
        );
    }
}

#[test]
fn an_id_that_is_too_long_is_refused() {
    let error = Key::node(&".".repeat(86)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "name node: 258 bytes escaped, over the limit of 255 bytes"
    );
}

#[test]
fn wildcards_match_as_in_nats() {
    let check = |filter: &str, subject: &str, expected: bool| {
        let subject = Subject::from_wire(subject).unwrap();
        assert_eq!(
            SubjectFilter::from_wire(filter).matches(&subject),
            expected,
            "{filter} {subject}"
        );
    };
    check("a.b", "a.b", true);
    check("a.*", "a.b", true);
    check("a.*", "a", false);
    check("a.*", "a.b.c", false);
    check("a.>", "a.b.c", true);
    check("a.>", "a", false);
    check(">", "a", true);
    check("a.*.c", "a.b.d", false);
}

#[test]
fn overlap_is_symmetric_and_sees_both_wildcards() {
    let check = |a: &str, b: &str, expected: bool| {
        let (a, b) = (SubjectFilter::from_wire(a), SubjectFilter::from_wire(b));
        assert_eq!(a.overlaps(&b), expected, "{a} {b}");
        assert_eq!(b.overlaps(&a), expected, "{b} {a}");
    };
    check("wa.*.*.events.*", "wa.t.>", true);
    check("wa.t.*", "wa.*.s", true);
    check("wa.t.*", "wa.u.*", false);
    check("wa.t", "wa.t.*", false);
    check("wa.>", "wa", false);
}

#[test]
fn a_prefix_ends_at_a_token() {
    let prefix = KeyPrefix::owners_of("t").unwrap();
    assert!(prefix.matches(&Key::owner("t", "s").unwrap()));
    assert!(!prefix.matches(&Key::owner("t2", "s").unwrap()));
    assert!(!prefix.matches(&Key::tenant("t").unwrap()));
    assert!(KeyPrefix::all().matches(&Key::node("n").unwrap()));
}

#[test]
fn what_came_over_the_wire_is_checked() {
    assert!(Subject::from_wire("a..b").is_err());
    assert!(Subject::from_wire("a.*").is_err());
    assert!(Subject::from_wire("").is_err());
    assert!(Key::from_wire("a.=2e").is_err());
    assert!(Key::from_wire("a/b").is_err());
}

#[test]
fn an_event_subject_with_other_words_is_not_one() {
    for text in [
        "wa.t.s.events",
        "wa.t.s.event.k",
        "wb.t.s.events.k",
        "wa.t.s.events.k.l",
    ] {
        assert_eq!(Subject::from_wire(text).unwrap().as_event(), None, "{text}");
    }
}

proptest! {
    #[test]
    fn an_event_subject_gives_its_parts_back(
        tenant in "\\PC{0,20}", session in "\\PC{0,20}", kind in "[a-z.]{0,20}",
    ) {
        let subject = Subject::events(&tenant, &session, &kind).unwrap();
        prop_assert!(SubjectFilter::all_events().matches(&subject));
        prop_assert!(SubjectFilter::events_of_session(&tenant, &session).unwrap().matches(&subject));
        prop_assert_eq!(subject.as_event(), Some((tenant, session, kind)));
    }

    #[test]
    fn two_owners_never_share_a_key(
        a in ("[a.=]{0,4}", "[a.=]{0,4}"), b in ("[a.=]{0,4}", "[a.=]{0,4}"),
    ) {
        let (key_a, key_b) = (Key::owner(&a.0, &a.1).unwrap(), Key::owner(&b.0, &b.1).unwrap());
        prop_assert_eq!(key_a == key_b, a == b);
        prop_assert_eq!(key_a.tokens(), vec![a.0, a.1]);
    }

    #[test]
    fn buckets_of_two_clusters_never_meet(a in "[a_n]{1,6}", b in "[a_n]{1,6}") {
        let of = |cluster: &str| {
            let names = Names::new(cluster).unwrap();
            [names.nodes(), names.owners(), names.sessions(), names.tenants()]
        };
        prop_assert_eq!(of(&a).iter().any(|bucket| of(&b).contains(bucket)), a == b);
    }
}
