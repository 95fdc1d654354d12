//! After the faults: everything is there again, and the cluster must come to rest where it belongs.

use switchboard_ownership::{Command, Input, Record, RecordKey};
use switchboard_vocab::cluster::OwnerPhase;
use switchboard_vocab::placement::{Member, Members};

use crate::world::{LEASE, Ms, World};

/// How long the cluster may take to come to rest.
const REST_MAX: Ms = LEASE * 60;
/// How long it must then stay so.
const QUIET: Ms = LEASE * 2;
const LOOK: Ms = LEASE / 4;

impl World {
    /// Faults, then calm.
    pub(crate) fn live(&mut self) {
        self.run(self.plan.calm_at);
        if self.violation.is_some() {
            return;
        }
        self.become_calm();
        let end = self.now + REST_MAX;
        let mut quiet_since = self.now;
        let mut unrest = None;
        let mut activity = self.activity;
        while self.now < quiet_since + QUIET {
            if self.now >= end {
                return match unrest {
                    Some(unrest) => self.broken("I-3", unrest),
                    None => self.broken("I-6", "sessions go on moving".to_owned()),
                };
            }
            self.run(self.now + LOOK);
            if self.violation.is_some() {
                return;
            }
            unrest = self.unrest();
            if unrest.is_some() || self.activity != activity {
                activity = self.activity;
                quiet_since = self.now;
            }
        }
    }

    fn become_calm(&mut self) {
        self.say(|| "calm".to_owned());
        self.kv_up = true;
        for proc in 0..self.procs.len() {
            let (life, link) = (self.procs[proc].life, self.procs[proc].link);
            self.resume(proc, life);
            self.reconnect(proc, life, link);
            for bucket in 0..2 {
                if self.procs[proc].watches[bucket].lag > 0 {
                    self.break_watch(proc, bucket);
                }
            }
            if self.procs[proc].machine.is_none() && !self.procs[proc].duplicate {
                self.start(proc);
            }
            if self.procs[proc].weight == 0 {
                self.procs[proc].weight = 1;
                self.tell(proc, Input::Command(Command::Weigh(1)));
            }
            self.tell(proc, Input::Command(Command::Drain(false)));
        }
        self.calm = true;
    }

    /// What is not as it should be, if anything.
    fn unrest(&mut self) -> Option<String> {
        for proc in 0..self.procs.len() {
            // The original of a name may have come back after its twin, or have left in the last moment.
            let there = &self.procs[proc];
            let twin = self.procs.iter().enumerate().any(|(other, twin)| {
                other != proc && twin.name == there.name && twin.machine.is_some()
            });
            if there.machine.is_none() && !there.duplicate && !twin {
                self.start(proc);
                return Some(format!("{proc} was not there"));
            }
        }
        let live: Vec<usize> = (0..self.procs.len())
            .filter(|proc| self.procs[*proc].machine.is_some())
            .collect();
        let members = Members::new(live.iter().map(|proc| {
            let there = &self.procs[*proc];
            Member::new(there.name.clone(), there.weight)
        }));
        for session in 0..self.sessions.len() {
            if self.sessions[session].uuid.is_none() {
                continue;
            }
            self.restore(session);
            if let Some(unrest) = self.unrest_of(session, &live, &members) {
                return Some(unrest);
            }
        }
        None
    }

    fn unrest_of(&self, session: usize, live: &[usize], members: &Members) -> Option<String> {
        let truth = &self.sessions[session];
        let runners: Vec<usize> =
            live.iter()
                .copied()
                .filter(|proc| {
                    self.procs[*proc].actors.get(&session).is_some_and(|actor| {
                        actor.loaded && self.is_open(*proc, &actor.incarnation)
                    })
                })
                .collect();
        let [runner] = runners[..] else {
            let lost = truth
                .home
                .is_some_and(|home| live.iter().all(|proc| self.procs[*proc].disk != home));
            let forgiven = !self.plan.replicated && (lost || truth.excused);
            return (!forgiven).then(|| format!("{session} is run by {runners:?}"));
        };
        let first = members.first(&truth.name)?;
        if self.procs[runner].name != *first {
            return Some(format!("{session} is at {runner}, not at {first}"));
        }
        let key = RecordKey::Owner(truth.name.clone());
        let Some((Record::Owner(record), _)) = self.kv.get(&key) else {
            return Some(format!("{session} has no record"));
        };
        (record.phase != OwnerPhase::Owned).then(|| format!("{session} is not at rest"))
    }
}
