//! Requests on their way to the store and back, and watches; all of it late, lost or out of order between each other.

use switchboard_ownership::{Bucket, Input, OpId, Record, RecordKey, Revision, Seen, Written};

use crate::kv::bucket_of;
use crate::world::{Event, Job, LEASE, Ms, Request, World};

pub(crate) const BUCKETS: [Bucket; 2] = [Bucket::Nodes, Bucket::Owners];

pub(crate) const fn place(bucket: Bucket) -> usize {
    match bucket {
        Bucket::Nodes => 0,
        Bucket::Owners => 1,
    }
}

/// A watch of one bucket by one node.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watch {
    pub(crate) number: u64,
    pub(crate) active: bool,
    last: Ms,
    /// Everything comes so much later.
    pub(crate) lag: Ms,
}

fn unknown(op: OpId, job: &Job) -> Input {
    match job {
        Job::Write { .. } => Input::Written(op, Written::Unknown),
        Job::Read => Input::Read(op, Err(())),
    }
}

fn seen_input(key: RecordKey, record: Option<Record>, revision: Revision) -> Input {
    match (key, record) {
        (RecordKey::Node(node), Some(Record::Node(record))) => Input::Node(
            node,
            Seen {
                record: Ok(record),
                revision,
            },
        ),
        (RecordKey::Owner(session), Some(Record::Owner(record))) => Input::Owner(
            session,
            Seen {
                record: Ok(record),
                revision,
            },
        ),
        (RecordKey::Node(node), None) => Input::NodeGone(node, revision),
        (RecordKey::Owner(session), None) => Input::OwnerGone(session, revision),
        (key, record) => panic!("{key:?} holds {record:?}"),
    }
}

impl World {
    /// Sends a request; what becomes of it is decided on the way.
    pub(crate) fn issue(&mut self, proc: usize, op: OpId, key: RecordKey, job: Job) {
        let limit = match key {
            RecordKey::Node(_) => LEASE / 4,
            RecordKey::Owner(_) => LEASE / 2,
        };
        let (life, link) = (self.procs[proc].life, self.procs[proc].link);
        let deadline = self.now + limit;
        if !self.procs[proc].connected && self.rng.chance(400) {
            let input = match job {
                Job::Write { .. } => Input::Written(op, Written::No),
                Job::Read => Input::Read(op, Err(())),
            };
            let wait = self.rng.between(1, 20);
            return self.after(wait, Event::Deliver(proc, life, Box::new(input)));
        }
        let lost = !self.procs[proc].connected
            || (!self.calm && self.rng.chance(self.plan.lost_per_mille));
        if lost {
            let input = unknown(op, &job);
            return self.at(deadline, Event::Deliver(proc, life, Box::new(input)));
        }
        let wait = self.latency();
        self.after(
            wait,
            Event::Arrive(Box::new(Request {
                proc,
                life,
                link,
                op,
                key,
                job,
                deadline,
            })),
        );
    }

    /// The request reaches the store, although its sender may be gone.
    pub(crate) fn arrive(&mut self, request: Request) {
        let Request {
            proc,
            life,
            link,
            op,
            key,
            job,
            deadline,
        } = request;
        let unanswered = unknown(op, &job);
        if link != self.procs[proc].link || !self.kv_up {
            return self.at(deadline, Event::Deliver(proc, life, Box::new(unanswered)));
        }
        let answer = match job {
            Job::Write { record, expected } => {
                let result = self.kv.write(&key, record.clone(), expected);
                self.say(|| {
                    format!("store: {key:?} of {expected} by {proc}: {result:?} {record:?}")
                });
                match result {
                    Ok(revision) => {
                        self.publish(&key, record.as_ref(), revision);
                        Input::Written(op, Written::Yes(revision))
                    }
                    Err(()) => Input::Written(op, Written::WrongRevision),
                }
            }
            Job::Read => {
                let seen = self.kv.get(&key).map(|(record, revision)| Seen {
                    record: Ok(record.clone()),
                    revision,
                });
                Input::Read(op, Ok(seen))
            }
        };
        if !self.calm && self.rng.chance(self.plan.lost_per_mille) {
            if self.rng.chance(800) {
                self.at(deadline, Event::Deliver(proc, life, Box::new(unanswered)));
            }
            return;
        }
        let at = self.now + self.latency();
        let (at, input) = if at <= deadline {
            (at, answer)
        } else {
            (deadline, unanswered)
        };
        self.at(at, Event::Deliver(proc, life, Box::new(input)));
    }

    fn publish(&mut self, key: &RecordKey, record: Option<&Record>, revision: Revision) {
        let bucket = place(bucket_of(key));
        for proc in 0..self.procs.len() {
            if self.procs[proc].machine.is_none() || !self.procs[proc].watches[bucket].active {
                continue;
            }
            if !self.procs[proc].connected {
                self.procs[proc].watches[bucket].active = false;
                continue;
            }
            let input = seen_input(key.clone(), record.cloned(), revision);
            self.show(proc, bucket, input);
        }
    }

    fn show(&mut self, proc: usize, bucket: usize, input: Input) {
        let wait = self.latency();
        let there = &mut self.procs[proc];
        let watch = &mut there.watches[bucket];
        let at = watch.last.max(self.now + wait + watch.lag);
        watch.last = at;
        let (life, number) = (there.life, watch.number);
        self.at(
            at,
            Event::Watched {
                proc,
                life,
                bucket,
                watch: number,
                input: Box::new(input),
            },
        );
    }

    /// The watch ends; another is begun as soon as that is possible.
    pub(crate) fn break_watch(&mut self, proc: usize, bucket: usize) {
        let there = &mut self.procs[proc];
        if there.machine.is_none() {
            return;
        }
        let watch = &mut there.watches[bucket];
        watch.number += 1;
        watch.active = false;
        watch.lag = 0;
        let (life, number) = (there.life, watch.number);
        self.tell(proc, Input::WatchLost(BUCKETS[bucket]));
        let wait = self.rng.between(5, 60);
        self.after(wait, Event::Rewatch(proc, life, bucket, number));
    }

    pub(crate) fn rewatch(&mut self, proc: usize, life: u64, bucket: usize, number: u64) {
        let there = &self.procs[proc];
        if there.life != life || there.watches[bucket].number != number {
            return;
        }
        if !there.connected || !self.kv_up {
            return self.after(25, Event::Rewatch(proc, life, bucket, number));
        }
        self.procs[proc].watches[bucket].active = true;
        self.procs[proc].watches[bucket].last = self.now;
        for (key, record, revision) in self.kv.list(BUCKETS[bucket]) {
            let input = seen_input(key, Some(record), revision);
            self.show(proc, bucket, input);
        }
        self.show(proc, bucket, Input::Current(BUCKETS[bucket]));
    }

    /// A partition begins.
    pub(crate) fn cut(&mut self, proc: usize, for_ms: Ms) {
        if self.procs[proc].machine.is_none() || !self.procs[proc].connected {
            return;
        }
        let there = &mut self.procs[proc];
        there.connected = false;
        let (life, link) = (there.life, there.link);
        self.after(for_ms, Event::Reconnect(proc, life, link));
    }

    /// The store is there again for this node; it finds out first whether it is the one of before.
    pub(crate) fn reconnect(&mut self, proc: usize, life: u64, link: u64) {
        let there = &mut self.procs[proc];
        if there.life != life || there.link != link || there.connected {
            return;
        }
        if there.paused {
            return self.after(10, Event::Reconnect(proc, life, link));
        }
        there.connected = true;
        self.say(|| format!("{proc} is connected"));
        self.notice_roll_back(proc);
        for bucket in 0..BUCKETS.len() {
            self.break_watch(proc, bucket);
        }
    }

    pub(crate) fn notice_roll_back(&mut self, proc: usize) {
        if self.procs[proc].noticed < self.rollbacks {
            self.procs[proc].noticed = self.rollbacks;
            for bucket in BUCKETS {
                self.tell(proc, Input::RolledBack(bucket));
            }
        }
    }
}
