//! Cases of reading without a consumer.

use crate::conformance::{Fixture, bytes};
use crate::{LogRecord, SubjectFilter};

fn ids(records: &[LogRecord]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.id.as_deref().unwrap())
        .collect()
}

async fn read(f: &Fixture, session: &str, after: u64, max: usize) -> Vec<LogRecord> {
    let (stream, subject) = (f.stream(), f.subject(session));
    f.peer
        .log
        .read(&stream, &subject, after, max)
        .await
        .unwrap()
}

pub(in crate::conformance) async fn a_subject_is_read_in_order(f: Fixture) {
    f.open().await;
    assert_eq!(read(&f, "s", 0, 10).await, []);
    let mut seqs = Vec::new();
    for (session, id) in [
        ("s", "a"),
        ("other", "x"),
        ("s", "b"),
        ("s", "c"),
        ("other", "y"),
    ] {
        let seq = f.append(session, id).await;
        if session == "s" {
            seqs.push(seq);
        }
    }
    let found = read(&f, "s", 0, 10).await;
    let expected = seqs.iter().zip(["a", "b", "c"]).map(|(seq, id)| LogRecord {
        seq: *seq,
        id: Some(id.to_owned()),
        payload: bytes(id),
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(ids(&read(&f, "s", seqs[0], 10).await), ["b", "c"]);
    assert_eq!(ids(&read(&f, "s", seqs[1] - 1, 10).await), ["b", "c"]);
    assert_eq!(read(&f, "s", seqs[2], 10).await, []);
    assert_eq!(read(&f, "nobody", 0, 10).await, []);
}

/// By number and by bytes; whoever asks on from the last one gets everything.
pub(in crate::conformance) async fn a_read_is_limited(f: Fixture) {
    f.open().await;
    let (stream, subject) = (f.stream(), f.subject("s"));
    for n in 0..12_u8 {
        let payload = vec![n; 1_000_000].into();
        f.bus
            .log
            .append(&stream, &subject, &n.to_string(), payload, None)
            .await
            .unwrap();
    }
    assert_eq!(ids(&read(&f, "s", 0, 2).await), ["0", "1"]);
    assert_eq!(ids(&read(&f, "s", 0, 0).await), ["0"]);
    let (mut seen, mut after) = (Vec::new(), 0);
    loop {
        let found = read(&f, "s", after, 100).await;
        assert!(found.len() < 12, "eight million bytes are the limit");
        let Some(last) = found.last() else { break };
        after = last.seq;
        seen.extend(found.iter().map(|record| record.payload[0]));
    }
    assert_eq!(seen, (0..12).collect::<Vec<_>>());
}

pub(in crate::conformance) async fn a_read_passes_over_what_is_gone(f: Fixture) {
    f.open().await;
    f.append("s", "a").await;
    let second = f.append("s", "b").await;
    f.append("s", "c").await;
    let filter = SubjectFilter::from(f.subject("s"));
    f.bus.log.purge(&f.stream(), &filter, second).await.unwrap();
    assert_eq!(ids(&read(&f, "s", 0, 10).await), ["c"]);
}
