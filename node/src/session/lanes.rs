//! Order among the jobs of a session: one at a time in each lane, lanes side by side.
//!
//! Owns the queues. Their length is bounded by the session's admission permits, which every queued job holds.

use std::collections::{HashMap, VecDeque};

use switchboard_vocab::ChatId;

/// Which jobs must keep their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// In no order: reads, and what orders itself.
    Free,
    /// Sends to one conversation.
    Chat(ChatId),
    /// Changes of the webhooks.
    Webhooks,
    /// Changes of the settings.
    Settings,
    /// Ending the login.
    Login,
}

/// The queues behind running jobs. A lane is here exactly while one of its jobs runs.
#[derive(Debug)]
pub(crate) struct Lanes<J> {
    busy: HashMap<Lane, VecDeque<J>>,
}

impl<J> Default for Lanes<J> {
    fn default() -> Self {
        Self {
            busy: HashMap::new(),
        }
    }
}

impl<J> Lanes<J> {
    /// The job, when it may run now; otherwise it waits for [`Lanes::done`].
    pub(crate) fn admit(&mut self, lane: &Lane, job: J) -> Option<J> {
        if *lane == Lane::Free {
            return Some(job);
        }
        if let Some(queue) = self.busy.get_mut(lane) {
            queue.push_back(job);
            return None;
        }
        self.busy.insert(lane.clone(), VecDeque::new());
        Some(job)
    }

    /// A job of the lane has ended; the next one, if any, runs now.
    pub(crate) fn done(&mut self, lane: &Lane) -> Option<J> {
        let next = self.busy.get_mut(lane)?.pop_front();
        if next.is_none() {
            self.busy.remove(lane);
        }
        next
    }

    /// Jobs that wait for others.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &J> {
        self.busy.values().flatten()
    }

    /// Takes the jobs that wait for others and that `wanted` names.
    pub(crate) fn take(&mut self, mut wanted: impl FnMut(&J) -> bool) -> Vec<J> {
        let mut taken = Vec::new();
        for queue in self.busy.values_mut() {
            let (out, stay): (VecDeque<J>, VecDeque<J>) =
                std::mem::take(queue).into_iter().partition(&mut wanted);
            *queue = stay;
            taken.extend(out);
        }
        taken
    }

    /// Takes every job that waits for another.
    pub(crate) fn drain(&mut self) -> Vec<J> {
        self.busy.values_mut().flat_map(std::mem::take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(at: u8) -> Lane {
        Lane::Chat(format!("49151000000{at}@s.whatsapp.net").parse().unwrap())
    }

    #[test]
    fn a_lane_runs_one_job_at_a_time_in_order() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.admit(&chat(1), 1), Some(1));
        assert_eq!(lanes.admit(&chat(1), 2), None);
        assert_eq!(lanes.admit(&chat(1), 3), None);
        assert_eq!(
            lanes.admit(&chat(2), 4),
            Some(4),
            "another chat does not wait"
        );
        assert_eq!(lanes.admit(&Lane::Free, 5), Some(5));
        assert_eq!(lanes.done(&chat(1)), Some(2));
        assert_eq!(lanes.done(&chat(1)), Some(3));
        assert_eq!(lanes.done(&chat(1)), None);
        assert!(
            !lanes.busy.contains_key(&chat(1)),
            "an idle lane leaves nothing behind"
        );
        assert_eq!(lanes.admit(&chat(1), 6), Some(6));
    }

    #[test]
    fn jobs_that_wait_can_be_taken_and_others_keep_their_order() {
        let mut lanes = Lanes::default();
        for job in 1..=5 {
            lanes.admit(&chat(1), job);
        }
        assert_eq!(lanes.waiting().count(), 4);
        assert_eq!(lanes.take(|job| job % 2 == 1), [3, 5]);
        assert_eq!(lanes.done(&chat(1)), Some(2));
        assert_eq!(lanes.done(&chat(1)), Some(4));
        assert_eq!(lanes.done(&chat(1)), None);
    }
}
