//! Records of nodes and owners as nodes would write them.

use bytes::Bytes;
use switchboard_bus::{Bucket, Bus, Key, Names};
use switchboard_vocab::cluster::{
    Incarnation, Kept, NodeRecord, NodeState, OwnerPhase, OwnerRecord, StoreId,
};
use switchboard_vocab::directory::SessionRecord;
use switchboard_vocab::{Epoch, SessionRef};

use crate::support::{World, eventually, node};

/// A node that is up for the time of a test.
pub(crate) fn up(name: &str) -> NodeRecord {
    NodeRecord {
        version: 1,
        node: node(name),
        incarnation: Incarnation(format!("{name}-1")),
        state: NodeState::Up,
        weight: 1,
        lease_ms: 3_600_000,
        beat: 1,
        store: StoreId(format!("store-{name}")),
        boot: "boot".to_owned(),
        supervisor: None,
        release: "0.0.0-test".to_owned(),
    }
}

/// Writes bytes over whatever a key has.
pub(crate) async fn put(bus: &Bus, bucket: &Bucket, key: &Key, value: Vec<u8>) {
    let value = Bytes::from(value);
    let written = match bus.kv.get(bucket, key).await.unwrap() {
        None => bus.kv.create(bucket, key, value).await,
        Some(entry) => bus.kv.update(bucket, key, value, entry.revision).await,
    };
    written.unwrap();
}

pub(crate) async fn put_node(bus: &Bus, names: &Names, record: &NodeRecord) {
    let key = Key::node(record.node.as_str()).unwrap();
    put(
        bus,
        &names.nodes(),
        &key,
        serde_json::to_vec(record).unwrap(),
    )
    .await;
}

impl World {
    pub(crate) async fn put_node(&self, record: &NodeRecord) {
        put_node(&self.bus, &self.names, record).await;
    }

    /// The owner record of a session of the default tenant that was created.
    pub(crate) async fn owner_record(&self, id: &str, owner: &str, epoch: u64) -> OwnerRecord {
        let key = Key::session("default", id).unwrap();
        let entry = self.bus.kv.get(&self.names.sessions(), &key).await.unwrap();
        let session: SessionRecord = serde_json::from_slice(&entry.unwrap().value).unwrap();
        OwnerRecord {
            version: 1,
            session: session.session,
            uuid: session.uuid,
            node: node(owner),
            incarnation: Incarnation(format!("{owner}-1")),
            epoch: Epoch(epoch),
            phase: OwnerPhase::Owned,
            kept: Kept::Node {
                node: node(owner),
                store: StoreId(format!("store-{owner}")),
            },
        }
    }

    /// Writes an owner record without waiting until the router knows it.
    pub(crate) async fn put_owner(&self, record: &OwnerRecord) {
        let SessionRef { tenant, session } = &record.session;
        let key = Key::owner(tenant.as_str(), session.as_str()).unwrap();
        let value = serde_json::to_vec(record).unwrap();
        put(&self.bus, &self.names.owners(), &key, value).await;
    }

    /// Makes a node the owner, and waits until the router knows.
    pub(crate) async fn own(&self, id: &str, owner: &str, epoch: u64) {
        let record = self.owner_record(id, owner, epoch).await;
        self.put_owner(&record).await;
        self.knows(&record).await;
    }

    /// Puts a session into another phase, and waits until the router knows.
    pub(crate) async fn phase(&self, id: &str, owner: &str, epoch: u64, phase: OwnerPhase) {
        let mut record = self.owner_record(id, owner, epoch).await;
        record.phase = phase;
        self.put_owner(&record).await;
        self.knows(&record).await;
    }

    async fn knows(&self, record: &OwnerRecord) {
        let path = format!("/sessions/{}", record.session.session);
        let phase = serde_json::to_value(&record.phase).unwrap()["phase"].clone();
        let known = || async {
            let shown = self
                .admin_call(reqwest::Method::GET, &path, serde_json::Value::Null, 200)
                .await;
            shown["epoch"] == record.epoch.0
                && shown["owner"] == record.node.as_str()
                && shown["phase"] == phase
        };
        eventually("the router knows the owner", known).await;
    }

    /// Waits until the cluster view holds.
    pub(crate) async fn sees(&self, what: &str, holds: impl Fn(&serde_json::Value) -> bool) {
        let seen = || async {
            let view = self
                .admin_call(
                    reqwest::Method::GET,
                    "/cluster",
                    serde_json::Value::Null,
                    200,
                )
                .await;
            holds(&view)
        };
        eventually(what, seen).await;
    }
}

pub(crate) fn moving(target: &str) -> OwnerPhase {
    OwnerPhase::Moving {
        target: node(target),
    }
}

pub(crate) fn parked(reason: &str) -> OwnerPhase {
    OwnerPhase::Parked {
        reason: reason.to_owned(),
    }
}
