//! Random lives of one session on three nodes. Whatever happens, the newest acknowledged write is there after every taking
//! over on any node; what was seen once stays; what was seen to be lost, or refused to a former owner, never comes.

use std::collections::BTreeSet;

use proptest::prelude::*;
use switchboard_keystore::Epoch;
use switchboard_replica::{How, ReplicaError};

use crate::world::{Node, config, embedded, nodes, ns};

#[derive(Debug, Clone)]
enum Step {
    /// The owner writes some times, at once.
    Write(u8),
    /// A node writes under the last epoch that it had.
    WriteAs(usize),
    /// The owner writes what needs several messages.
    WriteBig,
    /// A node takes over at the next epoch.
    TakeOver(usize),
    /// The owner takes over again at its epoch.
    Again,
    /// A node's bus fails after some changes.
    BreakLog(usize, i64, bool),
    /// A node's disk fails after some changes; only a crash mends it.
    BreakDisk(usize, i64, bool),
    Crash(usize),
    LoseDisk(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..3_usize;
    prop_oneof![
        12 => (1..12_u8).prop_map(Step::Write),
        2 => node.clone().prop_map(Step::WriteAs),
        1 => Just(Step::WriteBig),
        9 => node.clone().prop_map(Step::TakeOver),
        1 => Just(Step::Again),
        2 => (node.clone(), 0..8_i64, any::<bool>()).prop_map(|(n, left, a)| Step::BreakLog(n, left, a)),
        2 => (node.clone(), 0..8_i64, any::<bool>()).prop_map(|(n, left, a)| Step::BreakDisk(n, left, a)),
        2 => node.clone().prop_map(Step::Crash),
        1 => node.prop_map(Step::LoseDisk),
    ]
}

struct World {
    nodes: Vec<Node>,
    /// The last epoch that each node has taken over.
    epochs: [u64; 3],
    epoch: u64,
    owner: Option<usize>,
    next: u32,
    /// Must be there.
    kept: BTreeSet<u32>,
    /// May be there or not; the next one who looks decides.
    unknown: BTreeSet<u32>,
    /// Must never be there.
    dead: BTreeSet<u32>,
}

impl World {
    async fn new() -> Self {
        let bus = embedded().await;
        Self {
            nodes: nodes(&bus, 3, &config()).await,
            epochs: [0; 3],
            epoch: 0,
            owner: None,
            next: 0,
            kept: BTreeSet::new(),
            unknown: BTreeSet::new(),
            dead: BTreeSet::new(),
        }
    }

    async fn write(&mut self, node: usize, count: u8, bytes: usize) {
        let (ns, epoch) = (ns("s"), self.epochs[node]);
        let numbers: Vec<u32> = (0..count).map(|n| self.next + u32::from(n)).collect();
        self.next += u32::from(count);
        let writes = numbers
            .iter()
            .map(|n| self.nodes[node].write_big(&ns, epoch, *n, bytes));
        let outcomes = futures::future::join_all(writes).await;
        let owns = self.owner == Some(node);
        for (n, outcome) in numbers.into_iter().zip(outcomes) {
            match outcome {
                Ok(()) => {
                    assert!(owns, "write {n} of a former owner was acknowledged");
                    self.kept.insert(n);
                }
                Err(_) if owns => drop(self.unknown.insert(n)),
                // The log had begun another epoch before it was written.
                Err(_) => drop(self.dead.insert(n)),
            }
        }
    }

    async fn take_over(&mut self, node: usize, epoch: u64) {
        let ns = ns("s");
        match self.nodes[node].store.take_over(&ns, Epoch(epoch)).await {
            Ok(taken) => {
                if !self.kept.is_empty() {
                    assert_ne!(taken.how, How::Fresh);
                }
                (self.owner, self.epochs[node]) = (Some(node), epoch);
                self.look(node).await;
            }
            // Its fence may be in the log all the same.
            Err(ReplicaError::Bus { .. } | ReplicaError::Store { .. }) => {
                self.owner = None;
            }
            Err(error) => panic!("{error}"),
        }
    }

    async fn look(&mut self, node: usize) {
        let there: BTreeSet<u32> = self.nodes[node].read(&ns("s")).await.into_iter().collect();
        let lost: Vec<_> = self.kept.difference(&there).collect();
        assert!(lost.is_empty(), "acknowledged or seen, and lost: {lost:?}");
        let risen: Vec<_> = there.intersection(&self.dead).collect();
        assert!(risen.is_empty(), "refused or lost, and there: {risen:?}");
        for n in std::mem::take(&mut self.unknown) {
            let decided = if there.contains(&n) {
                &mut self.kept
            } else {
                &mut self.dead
            };
            decided.insert(n);
        }
        assert_eq!(there, self.kept);
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Write(count) => {
                if let Some(owner) = self.owner {
                    self.write(owner, count, 16).await;
                }
            }
            Step::WriteBig => {
                if let Some(owner) = self.owner {
                    self.write(owner, 1, 50_000).await;
                }
            }
            Step::WriteAs(node) if self.epochs[node] > 0 && self.owner.is_some() => {
                self.write(node, 1, 16).await;
            }
            Step::WriteAs(_) => {}
            Step::TakeOver(node) => {
                self.epoch += 1;
                self.take_over(node, self.epoch).await;
            }
            Step::Again => {
                if let Some(owner) = self.owner {
                    self.take_over(owner, self.epochs[owner]).await;
                }
            }
            Step::BreakLog(node, left, applied) => self.nodes[node].log_fuse.set(left, applied),
            Step::BreakDisk(node, left, applied) => self.nodes[node].disk_fuse.set(left, applied),
            Step::Crash(node) => self.nodes[node].crash().await,
            Step::LoseDisk(node) => self.nodes[node].lose_disk().await,
        }
        if matches!(step, Step::TakeOver(_)) {
            // Buses come back by themselves.
            self.nodes.iter().for_each(|node| node.log_fuse.mend());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_ever_lost(steps in prop::collection::vec(step(), 1..28)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.step(step).await;
            }
            // In the end every node can run it, also one that has never seen it.
            for node in 0..3 {
                world.nodes[node].crash().await;
                world.epoch += 1;
                world.take_over(node, world.epoch).await;
                assert_eq!(world.owner, Some(node));
                world.write(node, 1, 16).await;
            }
            world.nodes[0].lose_disk().await;
            world.epoch += 1;
            world.take_over(0, world.epoch).await;
            assert_eq!(world.owner, Some(0));
        });
    }
}
