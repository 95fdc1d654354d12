//! Records of the cluster as they stand on the bus, and what the results of writing them mean.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use switchboard_bus::{Bucket, Entry, Key, KvError, Names};
use switchboard_ownership::{Bucket as Followed, Record, RecordKey, Rule, Rules, Seen, Written};
use switchboard_vocab::cluster::{NodeRecord, OwnerRecord, RECORD_VERSION};
use switchboard_vocab::{NodeId, SessionRef};

/// What every record says first.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// Reads a record; without [`Rule::RecordVersion`] also one of a later release, as far as it looks like ours.
///
/// # Errors
/// Says why this release cannot use it.
pub(super) fn decode<R: DeserializeOwned>(value: &[u8], rules: &Rules) -> Result<R, String> {
    let Versioned { version } = serde_json::from_slice(value).map_err(|e| e.to_string())?;
    if version > RECORD_VERSION && rules.has(Rule::RecordVersion) {
        return Err(format!(
            "its version {version} is newer than {RECORD_VERSION}, which this release knows: upgrade this node"
        ));
    }
    serde_json::from_slice(value).map_err(|e| e.to_string())
}

/// A record as the machine wants to see it.
pub(super) fn seen<R: DeserializeOwned>(entry: &Entry, rules: &Rules) -> Seen<R> {
    Seen {
        record: decode(&entry.value, rules),
        revision: entry.revision,
    }
}

/// A record as read, under the key it was asked for.
pub(super) fn read(key: &RecordKey, entry: &Entry, rules: &Rules) -> Seen<Record> {
    let record = match key {
        RecordKey::Node(_) => decode::<NodeRecord>(&entry.value, rules).map(Record::Node),
        RecordKey::Owner(_) => decode::<OwnerRecord>(&entry.value, rules).map(Record::Owner),
    };
    Seen {
        record,
        revision: entry.revision,
    }
}

/// The bytes of a record.
///
/// # Errors
/// None in practice: a record is plain data.
pub(super) fn encode(record: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    serde_json::to_vec(record).map(Bytes::from)
}

/// The bytes of what the machine wants written.
///
/// # Errors
/// As [`encode`].
pub(super) fn encode_any(record: &Record) -> Result<Bytes, serde_json::Error> {
    match record {
        Record::Node(record) => encode(record),
        Record::Owner(record) => encode(record),
    }
}

/// Where a record stands.
///
/// # Errors
/// When an id is too long for a key; nothing that the product made is.
pub(super) fn place(
    names: &Names,
    key: &RecordKey,
) -> Result<(Bucket, Key), switchboard_bus::subjects::Error> {
    Ok(match key {
        RecordKey::Node(node) => (names.nodes(), Key::node(node.as_str())?),
        RecordKey::Owner(session) => (
            names.owners(),
            Key::owner(session.tenant.as_str(), session.session.as_str())?,
        ),
    })
}

/// The bucket that a record stands in.
pub(super) const fn bucket(key: &RecordKey) -> Followed {
    match key {
        RecordKey::Node(_) => Followed::Nodes,
        RecordKey::Owner(_) => Followed::Owners,
    }
}

/// The node that a key of `nodes` names.
pub(super) fn node_of(key: &Key) -> Option<NodeId> {
    match key.tokens().as_slice() {
        [node] => node.parse().ok(),
        _ => None,
    }
}

/// The session that a key of `owners` names.
pub(super) fn session_of(key: &Key) -> Option<SessionRef> {
    match key.tokens().as_slice() {
        [tenant, session] => format!("{tenant}/{session}").parse().ok(),
        _ => None,
    }
}

/// What the result of a compare-and-set says; `None` stands for no answer in time.
pub(super) fn written(result: Option<Result<u64, KvError>>) -> Written {
    match result {
        Some(Ok(revision)) => Written::Yes(revision),
        Some(Err(KvError::WrongRevision { .. })) => Written::WrongRevision,
        Some(Err(error)) if error.certainly_not_executed() => Written::No,
        Some(Err(_)) | None => Written::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_are_believed_no_further_than_they_go() {
        let names = Names::new("t").unwrap();
        let bucket = names.nodes();
        let wrong = KvError::WrongRevision {
            op: "update",
            bucket: bucket.clone(),
            key: Key::node("n").unwrap(),
            current: None,
        };
        assert_eq!(written(Some(Ok(7))), Written::Yes(7));
        assert_eq!(written(Some(Err(wrong))), Written::WrongRevision);
        let away = KvError::Disconnected {
            op: "update",
            bucket: bucket.clone(),
        };
        assert_eq!(written(Some(Err(away))), Written::No);
        let late = KvError::Timeout {
            op: "update",
            bucket: bucket.clone(),
            deadline: Duration::ZERO,
        };
        assert_eq!(written(Some(Err(late))), Written::Unknown);
        let odd = KvError::Failed {
            op: "update",
            bucket,
            source: "odd".into(),
        };
        assert_eq!(written(Some(Err(odd))), Written::Unknown);
        assert_eq!(written(None), Written::Unknown);
    }

    #[test]
    fn a_record_of_a_later_release_is_not_read() {
        let newer = format!("{{\"version\":{},\"new\":true}}", RECORD_VERSION + 1);
        let rules = Rules::all();
        assert!(
            decode::<NodeRecord>(newer.as_bytes(), &rules)
                .unwrap_err()
                .contains("newer")
        );
        assert!(decode::<OwnerRecord>(b"noise", &rules).is_err());
    }

    #[test]
    fn keys_name_what_they_stand_for() {
        let names = Names::new("t").unwrap();
        let session: SessionRef = "tenant/a.b"
            .parse()
            .unwrap_or_else(|_| "t/ab".parse().unwrap());
        let (_, key) = place(&names, &RecordKey::Owner(session.clone())).unwrap();
        assert_eq!(session_of(&key), Some(session));
        let node: NodeId = "node-1".parse().unwrap();
        let (_, key) = place(&names, &RecordKey::Node(node.clone())).unwrap();
        assert_eq!(node_of(&key), Some(node));
        assert_eq!(node_of(&Key::owner("a", "b").unwrap()), None);
    }
}
