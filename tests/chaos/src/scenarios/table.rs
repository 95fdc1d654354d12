//! The failure table: fault → scenario → the rules that it guards, each with the run or the test that fails without it.

use std::time::Duration;

use futures::future::LocalBoxFuture;
use switchboard_ownership::Rule;

use super::{disk, dying, network, records};
use crate::complaint::Kind;
use crate::trial::Trial;
use crate::world::Plan;

/// Plays a scenario.
pub type Play = for<'a> fn(&'a mut Trial) -> LocalBoxFuture<'a, anyhow::Result<()>>;

/// A row.
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// The fault.
    pub fault: &'static str,
    /// The world it is played in.
    pub plan: fn() -> Plan,
    /// What happens.
    pub play: Play,
    /// The rules without which this scenario, played again, must end with complaints.
    pub guards: &'static [Guard],
    /// Whether it belongs to the short run.
    pub short: bool,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A rule, and what is complained of without it.
#[derive(Debug, Clone, Copy)]
pub struct Guard {
    /// The rule.
    pub rule: Rule,
    /// One of these must be among the complaints: others may come of what went wrong first.
    pub shows: &'static [Kind],
}

/// A rule that another test shows better: one with a clock, a schedule or a store in its hands.
#[derive(Debug)]
pub struct Elsewhere {
    /// The rule.
    pub rule: Rule,
    /// The file, from the root of the repository.
    pub file: &'static str,
    /// The test in it that fails with the rule off, or switches it off itself.
    pub test: &'static str,
}

fn usual() -> Plan {
    Plan::default()
}

fn local() -> Plan {
    Plan {
        replicated: false,
        ..usual()
    }
}

/// Leases that outlast the test's patience: only who does not wait for them can be in time.
fn long() -> Plan {
    Plan {
        lease: Duration::from_secs(12),
        ..usual()
    }
}

/// Long leases with parents: only the parent can be faster.
fn watched() -> Plan {
    Plan {
        supervised: true,
        ..long()
    }
}

fn patient() -> Plan {
    Plan {
        lease: Duration::from_secs(3),
        ..usual()
    }
}

fn three_servers() -> Plan {
    Plan { nats: 3, ..long() }
}

fn two_routers() -> Plan {
    Plan {
        routers: 2,
        ..usual()
    }
}

fn small_disks() -> Plan {
    Plan {
        disk_mb: Some(disk::DISK_MB),
        extra: disk::WATERMARKS
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .to_vec(),
        // A store that failed to sync ends its process (design rule R-2); somebody must start it again.
        supervised: true,
        ..usual()
    }
}

fn two_nodes() -> Plan {
    Plan {
        nodes: 2,
        ..usual()
    }
}

/// Every row that is played with processes.
pub const ROWS: &[Row] = &[
    Row {
        name: "processes-die",
        fault: "node kill -9",
        plan: usual,
        play: |t| Box::pin(dying::processes_die(t)),
        guards: &[Guard {
            rule: Rule::TakeOver,
            shows: &[Kind::Works],
        }],
        short: true,
    },
    Row {
        name: "machine-dies",
        fault: "machine loss",
        plan: usual,
        play: |t| Box::pin(dying::machine_dies(t)),
        guards: &[Guard {
            rule: Rule::TakeOver,
            shows: &[Kind::Works],
        }],
        short: false,
    },
    Row {
        name: "parent-releases",
        fault: "process crash on a living machine",
        plan: watched,
        play: |t| Box::pin(dying::process_dies_before_its_parent(t)),
        guards: &[Guard {
            rule: Rule::ParentRelease,
            shows: &[Kind::Works],
        }],
        short: false,
    },
    Row {
        name: "zombie",
        fault: "node SIGSTOP for longer than the lease",
        plan: usual,
        play: |t| Box::pin(dying::zombie(t)),
        guards: &[Guard {
            rule: Rule::SelfFence,
            shows: &[Kind::Owners],
        }],
        short: true,
    },
    Row {
        name: "short-pause",
        fault: "node SIGSTOP within the lease",
        plan: usual,
        play: |t| Box::pin(dying::short_pause(t)),
        guards: &[Guard {
            rule: Rule::PeerPatience,
            shows: &[Kind::Moved],
        }],
        short: false,
    },
    Row {
        name: "told-to-end",
        fault: "SIGTERM",
        plan: long,
        play: |t| Box::pin(dying::told_to_end(t)),
        guards: &[Guard {
            rule: Rule::DrainOnStop,
            shows: &[Kind::Works],
        }],
        short: false,
    },
    Row {
        name: "cut-from-nats",
        fault: "partition node and NATS",
        plan: usual,
        play: |t| Box::pin(network::cut_from_nats(t)),
        guards: &[Guard {
            rule: Rule::SelfFence,
            shows: &[Kind::Owners],
        }],
        short: true,
    },
    Row {
        name: "cut-off",
        fault: "partition from everything",
        plan: usual,
        play: |t| Box::pin(network::cut_off(t)),
        guards: &[Guard {
            rule: Rule::SelfFence,
            shows: &[Kind::Owners],
        }],
        short: false,
    },
    Row {
        name: "packet-loss",
        fault: "packet loss 5 and 20 %, and every answer of NATS",
        plan: usual,
        play: |t| Box::pin(network::packet_loss(t)),
        guards: &[Guard {
            rule: Rule::UnknownResult,
            shows: &[Kind::Owners],
        }],
        short: false,
    },
    Row {
        name: "nats-restart",
        fault: "NATS kill -9, back after 1 s",
        plan: patient,
        play: |t| Box::pin(network::nats_restart(t)),
        guards: &[Guard {
            rule: Rule::HeartbeatRetry,
            shows: &[Kind::Moved],
        }],
        short: false,
    },
    Row {
        name: "nats-outage",
        fault: "NATS down for three leases",
        plan: usual,
        play: |t| Box::pin(network::nats_outage(t)),
        guards: &[Guard {
            rule: Rule::SelfFence,
            shows: &[Kind::RanOn],
        }],
        short: false,
    },
    Row {
        name: "nats-stands-still",
        fault: "NATS SIGSTOP for three leases",
        plan: usual,
        play: |t| Box::pin(network::nats_stands_still(t)),
        guards: &[Guard {
            rule: Rule::SelfFence,
            shows: &[Kind::RanOn],
        }],
        short: false,
    },
    Row {
        name: "nats-leader-dies",
        fault: "R3 NATS, leader killed",
        plan: three_servers,
        play: |t| Box::pin(network::nats_leader_dies(t)),
        guards: &[Guard {
            rule: Rule::HeartbeatRetry,
            shows: &[Kind::Moved],
        }],
        short: false,
    },
    Row {
        name: "roll-back",
        fault: "NATS loses power, revisions roll back (T-3)",
        plan: local,
        play: |t| Box::pin(records::roll_back(t)),
        guards: &[
            Guard {
                rule: Rule::RollBack,
                // Old records name nodes that released their sessions; unless holders assert theirs, nobody runs them, or two do.
                shows: &[Kind::Owners, Kind::Works],
            },
            Guard {
                rule: Rule::EpochFloor,
                shows: &[Kind::Owners],
            },
        ],
        short: false,
    },
    Row {
        name: "router-dies",
        fault: "router crash",
        plan: two_routers,
        play: |t| Box::pin(dying::router_dies(t)),
        guards: &[Guard {
            rule: Rule::CompleteView,
            shows: &[Kind::Denied],
        }],
        short: false,
    },
    Row {
        name: "disk-full",
        fault: "node disk full",
        plan: small_disks,
        play: |t| Box::pin(disk::full(t)),
        guards: &[Guard {
            rule: Rule::DiskWatermark,
            shows: &[Kind::Refused],
        }],
        short: false,
    },
    Row {
        name: "disk-lost",
        fault: "node disk lost, replicated",
        plan: usual,
        play: |t| Box::pin(disk::lost_replicated(t)),
        guards: &[Guard {
            rule: Rule::RestoreFromLog,
            shows: &[Kind::Works],
        }],
        short: false,
    },
    Row {
        name: "disk-lost-local",
        fault: "node disk lost, local",
        plan: local,
        play: |t| Box::pin(disk::lost_local(t)),
        guards: &[Guard {
            rule: Rule::KeptHere,
            shows: &[Kind::RanOn],
        }],
        short: false,
    },
    Row {
        name: "store-refuses",
        fault: "store refuses to open",
        plan: usual,
        play: |t| Box::pin(disk::store_refuses(t)),
        guards: &[Guard {
            rule: Rule::ModestAfterLoss,
            shows: &[Kind::RanOn],
        }],
        short: false,
    },
    Row {
        name: "other-clocks",
        fault: "clock jump: boot clocks that differ by a day",
        plan: two_nodes,
        play: |t| Box::pin(network::other_clocks(t)),
        guards: &[Guard {
            rule: Rule::OwnClock,
            shows: &[Kind::Moved],
        }],
        short: false,
    },
    Row {
        name: "duplicate-node",
        fault: "duplicate node id",
        plan: two_nodes,
        play: |t| Box::pin(records::duplicate_node(t)),
        guards: &[Guard {
            rule: Rule::DuplicateNode,
            shows: &[Kind::Refused],
        }],
        short: false,
    },
    Row {
        name: "two-clusters",
        fault: "two clusters on one NATS",
        plan: two_nodes,
        play: |t| Box::pin(records::two_clusters(t)),
        guards: &[Guard {
            rule: Rule::ClusterNames,
            shows: &[Kind::Mixed],
        }],
        short: false,
    },
    Row {
        name: "unknown-version",
        fault: "a record of another release",
        plan: two_nodes,
        play: |t| Box::pin(records::unknown_version(t)),
        guards: &[Guard {
            rule: Rule::RecordVersion,
            shows: &[Kind::RanOn],
        }],
        short: false,
    },
    Row {
        name: "bad-nodes",
        fault: "a node name that breaks subject rules, another master key",
        plan: two_nodes,
        play: |t| Box::pin(records::bad_nodes(t)),
        guards: &[Guard {
            rule: Rule::ClusterKey,
            shows: &[Kind::Refused],
        }],
        short: false,
    },
    Row {
        name: "moves",
        fault: "planned moves; a request reaches the old owner",
        plan: usual,
        play: |t| Box::pin(dying::moves(t)),
        guards: &[Guard {
            rule: Rule::FollowOwner,
            shows: &[Kind::Failed],
        }],
        short: false,
    },
];

/// Rules that are shown by other tests, which switch them off themselves: the poison session, clocks that someone sets, and what only
/// a schedule can reach.
pub const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        rule: Rule::Incarnation,
        file: "node/ownership/tests/explorer/main.rs",
        test: "without_incarnations_an_epoch_is_used_twice",
    },
    Elsewhere {
        rule: Rule::ObserverLease,
        file: "node/ownership/tests/explorer/main.rs",
        test: "without_the_observers_lease_anybody_declares_others_dead",
    },
    Elsewhere {
        rule: Rule::UnknownResult,
        file: "node/ownership/tests/explorer/main.rs",
        test: "without_looking_up_unknown_results_two_nodes_run_a_session",
    },
    Elsewhere {
        rule: Rule::TransportFence,
        file: "node/src/cluster/gate/tests.rs",
        test: "each_rule_is_what_does_it",
    },
    Elsewhere {
        rule: Rule::BootClock,
        file: "node/src/cluster/gate/tests.rs",
        test: "each_rule_is_what_does_it",
    },
    Elsewhere {
        rule: Rule::StoreEpoch,
        file: "node/src/cluster/gate/tests.rs",
        test: "without_its_rule_a_stale_epoch_is_written_all_the_same",
    },
    Elsewhere {
        rule: Rule::LogFence,
        file: "node/replica/tests/replica/guards.rs",
        test: "without_the_fence_a_former_owner_writes",
    },
    Elsewhere {
        rule: Rule::NoReconnectWhenReplaced,
        file: "node/src/node/tests/lives.rs",
        test: "without_its_rule_a_replaced_session_fights_for_its_connection",
    },
    Elsewhere {
        rule: Rule::CrashBudget,
        file: "node/src/node/tests/lives.rs",
        test: "without_its_rule_a_crash_loop_is_never_given_up",
    },
];
