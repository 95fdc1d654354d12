//! What happened, for tests and load runs to judge: per device the connects, sockets and stanzas by
//! kind with first and last time, and one bounded list of events. It observes and decides nothing.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;
use wacore_binary::Node;

use crate::core::ids::DeviceId;
use crate::core::xml;

/// Most events kept; older ones go first.
pub const EVENTS_MAX: usize = 50_000;
/// Most different stanza kinds counted by name; a client that invents more is counted as `other`.
pub const KINDS_MAX: usize = 512;

/// Which way a stanza went, seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From a client.
    In,
    /// To a client.
    Out,
}

/// The kind of a stanza: its tag, with what distinguishes it most after a colon
/// (`receipt:read`, `iq:usync`, `notification:w:gp2`).
#[must_use]
pub fn kind_of(node: &Node) -> String {
    let tag = node.tag.as_ref();
    let detail = match tag {
        "iq" => match xml::attr(node, "type").as_deref() {
            Some(answer @ ("result" | "error")) => Some(answer.to_owned()),
            _ => xml::attr(node, "xmlns").map(std::borrow::Cow::into_owned),
        },
        "receipt" | "notification" | "presence" => {
            xml::attr(node, "type").map(std::borrow::Cow::into_owned)
        }
        "ack" => xml::attr(node, "class").map(std::borrow::Cow::into_owned),
        "ib" | "chatstate" => xml::first_child(node).map(|c| c.tag.to_string()),
        _ => None,
    };
    detail.map_or_else(|| tag.to_owned(), |d| format!("{tag}:{d}"))
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    kind: u16,
    count: u32,
    first_ms: u64,
    last_ms: u64,
}

#[derive(Debug, Default)]
struct DeviceLog {
    connects: u32,
    open: u32,
    open_max: u32,
    conflicts: u32,
    lost: u32,
    dropped: u32,
    inbound: Vec<Tally>,
    outbound: Vec<Tally>,
}

/// A line of the event list.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Whose it is; absent for a connection that is not paired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What happened.
    pub event: &'static str,
}

#[derive(Debug)]
struct RawEvent {
    at_ms: u64,
    device: Option<DeviceId>,
    event: &'static str,
}

/// How often stanzas of a kind were seen, and when.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Count {
    /// How many.
    pub count: u32,
    /// The first, in milliseconds since the Unix epoch.
    pub first_ms: u64,
    /// The last.
    pub last_ms: u64,
}

/// The record of one device.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DeviceReport {
    /// `<number>:<device>`, or `unpaired` for all connections without a device taken together.
    pub device: String,
    /// How often it connected.
    pub connects: u32,
    /// Sockets open now.
    pub sockets_open: u32,
    /// Most sockets open at once. More than one for a moment means that a second login took over.
    pub sockets_open_max: u32,
    /// How often an older socket was sent `conflict replaced`.
    pub conflicts_sent: u32,
    /// Stanzas that it has not acknowledged, now.
    pub queued: usize,
    /// Stanzas that fell out of a full queue.
    pub queue_overflows: u32,
    /// Stanzas that a fault swallowed.
    pub faults_dropped: u32,
    /// Stanzas from the device, by kind.
    #[serde(rename = "in")]
    pub inbound: BTreeMap<String, Count>,
    /// Stanzas to the device, by kind.
    #[serde(rename = "out")]
    pub outbound: BTreeMap<String, Count>,
}

/// The whole record.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// One entry for each device that ever connected.
    pub devices: Vec<DeviceReport>,
    /// The latest [`EVENTS_MAX`] events, oldest first.
    pub events: Vec<Event>,
}

impl Report {
    /// The record of the device named `<number>:<device>`.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<&DeviceReport> {
        self.devices.iter().find(|d| d.device == name)
    }
}

/// The record while it is being written.
#[derive(Debug, Default)]
pub struct Journal {
    devices: HashMap<Option<DeviceId>, DeviceLog>,
    kinds: Vec<String>,
    numbers: HashMap<String, u16>,
    events: VecDeque<RawEvent>,
}

impl Journal {
    /// A socket opened for `device`, or for an unpaired client.
    pub fn opened(&mut self, at_ms: u64, device: Option<DeviceId>) {
        let log = self.devices.entry(device).or_default();
        log.connects += 1;
        log.open += 1;
        log.open_max = log.open_max.max(log.open);
        self.event(at_ms, device, "connected");
    }

    /// A socket closed.
    pub fn closed(&mut self, at_ms: u64, device: Option<DeviceId>) {
        let log = self.devices.entry(device).or_default();
        log.open = log.open.saturating_sub(1);
        self.event(at_ms, device, "disconnected");
    }

    /// An older socket of `device` was told that a newer one replaced it.
    pub fn conflict(&mut self, at_ms: u64, device: DeviceId) {
        self.devices.entry(Some(device)).or_default().conflicts += 1;
        self.event(at_ms, Some(device), "conflict");
    }

    /// Stanzas fell out of the queue of `device`.
    pub fn lost(&mut self, at_ms: u64, device: DeviceId, count: usize) {
        let log = self.devices.entry(Some(device)).or_default();
        log.lost = log
            .lost
            .saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.event(at_ms, Some(device), "queue overflow");
    }

    /// A fault swallowed a stanza of `device`.
    pub fn dropped(&mut self, device: Option<DeviceId>) {
        self.devices.entry(device).or_default().dropped += 1;
    }

    /// A stanza of `kind` passed.
    pub fn stanza(&mut self, at_ms: u64, device: Option<DeviceId>, way: Direction, kind: &str) {
        let kind = self.intern(kind);
        let log = self.devices.entry(device).or_default();
        let tallies = match way {
            Direction::In => &mut log.inbound,
            Direction::Out => &mut log.outbound,
        };
        match tallies.iter_mut().find(|t| t.kind == kind) {
            Some(tally) => {
                tally.count = tally.count.saturating_add(1);
                tally.last_ms = at_ms;
            }
            None => tallies.push(Tally {
                kind,
                count: 1,
                first_ms: at_ms,
                last_ms: at_ms,
            }),
        }
    }

    /// Something worth a line happened.
    pub fn event(&mut self, at_ms: u64, device: Option<DeviceId>, event: &'static str) {
        if self.events.len() == EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(RawEvent {
            at_ms,
            device,
            event,
        });
    }

    /// Everything so far; `name` spells a device for the reader, `queued` says what waits for it.
    #[must_use]
    pub fn report(
        &self,
        name: impl Fn(DeviceId) -> String,
        queued: impl Fn(DeviceId) -> usize,
    ) -> Report {
        let mut ids: Vec<_> = self.devices.iter().collect();
        ids.sort_by_key(|(id, _)| **id);
        let devices = ids
            .into_iter()
            .map(|(id, log)| DeviceReport {
                device: id.map_or_else(|| "unpaired".to_owned(), &name),
                connects: log.connects,
                sockets_open: log.open,
                sockets_open_max: log.open_max,
                conflicts_sent: log.conflicts,
                queued: id.map_or(0, &queued),
                queue_overflows: log.lost,
                faults_dropped: log.dropped,
                inbound: self.counts(&log.inbound),
                outbound: self.counts(&log.outbound),
            })
            .collect();
        let events = self
            .events
            .iter()
            .map(|e| Event {
                at_ms: e.at_ms,
                device: e.device.map(&name),
                event: e.event,
            })
            .collect();
        Report { devices, events }
    }

    fn counts(&self, tallies: &[Tally]) -> BTreeMap<String, Count> {
        tallies
            .iter()
            .filter_map(|t| {
                let kind = self.kinds.get(usize::from(t.kind))?.clone();
                Some((
                    kind,
                    Count {
                        count: t.count,
                        first_ms: t.first_ms,
                        last_ms: t.last_ms,
                    },
                ))
            })
            .collect()
    }

    fn intern(&mut self, kind: &str) -> u16 {
        if let Some(number) = self.numbers.get(kind) {
            return *number;
        }
        let kind = if self.kinds.len() < KINDS_MAX {
            kind
        } else {
            "other"
        };
        if let Some(number) = self.numbers.get(kind) {
            return *number;
        }
        let number = u16::try_from(self.kinds.len()).unwrap_or(u16::MAX);
        self.kinds.push(kind.to_owned());
        self.numbers.insert(kind.to_owned(), number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::AccountId;

    #[test]
    fn counts_sockets_and_stanzas() {
        let device = DeviceId {
            account: AccountId(0),
            device: 1,
        };
        let mut journal = Journal::default();
        journal.opened(1, Some(device));
        journal.opened(2, Some(device));
        journal.conflict(2, device);
        journal.closed(3, Some(device));
        journal.stanza(4, Some(device), Direction::In, "message");
        journal.stanza(6, Some(device), Direction::In, "message");
        let report = journal.report(|d| format!("x:{}", d.device), |_| 0);
        let device = report.device("x:1").unwrap();
        assert_eq!((device.connects, device.sockets_open), (2, 1));
        assert_eq!((device.sockets_open_max, device.conflicts_sent), (2, 1));
        let expected = Count {
            count: 2,
            first_ms: 4,
            last_ms: 6,
        };
        assert_eq!(device.inbound.get("message"), Some(&expected));
        assert_eq!(report.events.len(), 4);
    }

    #[test]
    fn kinds_are_limited() {
        let mut journal = Journal::default();
        for n in 0..KINDS_MAX + 10 {
            journal.stanza(0, None, Direction::In, &format!("k{n}"));
        }
        assert_eq!(journal.kinds.len(), KINDS_MAX + 1);
    }
}
