//! Witness lines: who says, every 50 ms, that it runs which session at which epoch.
//!
//! A line is `<boottime_ns> <node> <incarnation> <session> <epoch>`; everything else in the file is an event for people.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::timeline::seconds;

/// Most bytes of one file that one reading takes.
const READ_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Complaints of one judgement that are spelled out.
const SPELLED_MAX: usize = 20;
/// Words of a witness line.
const WORDS: usize = 5;

/// Who runs a session, as long as it lasts without a change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    session: String,
    epoch: u64,
    node: String,
    incarnation: String,
    /// Which file it is from: two processes may use one name.
    file: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first_ns: i64,
    last_ns: i64,
}

/// A session run by one owner from the first to the last line that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which session.
    pub session: String,
    /// At which epoch.
    pub epoch: u64,
    /// By which node.
    pub node: String,
    /// And which life of it.
    pub incarnation: String,
    /// The first line, by the laboratory's clock.
    pub first_ns: i64,
    /// The last line.
    pub last_ns: i64,
}

#[derive(Debug)]
struct Source {
    path: PathBuf,
    /// How much later the host's clock shows.
    ahead_ns: i64,
    offset: u64,
}

/// Reads the witness files of a world and keeps the spans.
#[derive(Debug, Default)]
pub struct Witness {
    sources: Vec<Source>,
    spans: BTreeMap<Owner, Span>,
}

impl Witness {
    /// Reads this file too from now on; it need not exist yet.
    pub fn add(&mut self, path: &Path, ahead_ns: i64) {
        if !self.sources.iter().any(|source| source.path == path) {
            self.sources.push(Source {
                path: path.to_owned(),
                ahead_ns,
                offset: 0,
            });
        }
    }

    /// Reads what was written since the last time.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(&mut self) -> Result<()> {
        for (at, source) in self.sources.iter_mut().enumerate() {
            let Ok(mut file) = File::open(&source.path) else {
                continue;
            };
            file.seek(SeekFrom::Start(source.offset))?;
            let mut bytes = Vec::new();
            let read = file.take(READ_BYTES_MAX).read_to_end(&mut bytes);
            read.with_context(|| format!("read {}", source.path.display()))?;
            // A line that is being written is read whole next time.
            let whole = bytes
                .iter()
                .rposition(|&b| b == b'\n')
                .map_or(0, |end| end + 1);
            bytes.truncate(whole);
            source.offset += u64::try_from(whole)?;
            for line in String::from_utf8_lossy(&bytes).lines() {
                if let Some((moment, owner)) = parse(line, at) {
                    let moment = moment - source.ahead_ns;
                    let new = Span {
                        first_ns: moment,
                        last_ns: moment,
                    };
                    let span = self.spans.entry(owner).or_insert(new);
                    span.first_ns = span.first_ns.min(moment);
                    span.last_ns = span.last_ns.max(moment);
                }
            }
        }
        Ok(())
    }

    /// Everything seen so far, by session and time.
    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<_> = self
            .spans
            .iter()
            .map(|(owner, span)| Run {
                session: owner.session.clone(),
                epoch: owner.epoch,
                node: owner.node.clone(),
                incarnation: owner.incarnation.clone(),
                first_ns: span.first_ns,
                last_ns: span.last_ns,
            })
            .collect();
        runs.sort_by(|a, b| {
            (&a.session, a.first_ns, a.epoch).cmp(&(&b.session, b.first_ns, b.epoch))
        });
        runs
    }

    /// What is wrong: two owners at one moment, an epoch that falls, an epoch used twice.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let runs = self.runs();
        let mut complaints = Vec::new();
        for group in runs.chunk_by(|a, b| a.session == b.session) {
            judge(group, &mut complaints);
        }
        let more = complaints.len().saturating_sub(SPELLED_MAX);
        complaints.truncate(SPELLED_MAX);
        if more > 0 {
            complaints.push(format!("and {more} more of the witness lines"));
        }
        complaints
    }

    /// Whether anything has been witnessed at all: silence proves nothing.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.spans.is_empty()
    }

    /// The owner that witnessed a session last.
    #[must_use]
    pub fn last_owner(&self, session: &str) -> Option<Run> {
        let runs = self.runs();
        let own = runs.into_iter().filter(|run| run.session == session);
        own.max_by_key(|run| run.last_ns)
    }
}

fn parse(line: &str, file: usize) -> Option<(i64, Owner)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [moment, node, incarnation, session, epoch] = words.as_slice() else {
        return None;
    };
    debug_assert_eq!(words.len(), WORDS);
    let owner = Owner {
        session: (*session).to_owned(),
        epoch: epoch.parse().ok()?,
        node: (*node).to_owned(),
        incarnation: (*incarnation).to_owned(),
        file,
    };
    Some((moment.parse().ok()?, owner))
}

/// One session's runs, by their first lines.
fn judge(runs: &[Run], complaints: &mut Vec<String>) {
    let told = |run: &Run| {
        let (first, last) = (seconds(run.first_ns), seconds(run.last_ns));
        format!(
            "{} ({}) at epoch {} from {first} to {last}",
            run.node, run.incarnation, run.epoch
        )
    };
    for (at, run) in runs.iter().enumerate() {
        for later in runs.iter().skip(at + 1) {
            let session = &run.session;
            if later.first_ns <= run.last_ns {
                complaints.push(format!(
                    "{session} was run by two at once: {} and {}",
                    told(run),
                    told(later)
                ));
            } else if later.epoch < run.epoch {
                complaints.push(format!(
                    "the epoch of {session} fell: {}, then {}",
                    told(run),
                    told(later)
                ));
            } else if later.epoch == run.epoch {
                complaints.push(format!(
                    "an epoch of {session} was used twice: {}, then {}",
                    told(run),
                    told(later)
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[(&str, i64)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut witness = Witness::default();
        for (at, (text, ahead)) in lines.iter().enumerate() {
            let path = folder.path().join(at.to_string());
            std::fs::write(&path, text).unwrap();
            witness.add(&path, *ahead);
        }
        witness.read().unwrap();
        witness.complaints()
    }

    #[test]
    fn one_owner_after_the_other_is_fine() {
        let a = "100 a i1 t/s 1\n200 a i1 t/s 1\nfence 300 whatever\n";
        let b = "201 b j1 t/s 2\n300 b j1 t/s 2\n";
        assert!(judged(&[(a, 0), (b, 0)]).is_empty());
    }

    #[test]
    fn two_owners_at_one_moment_are_seen_also_over_different_clocks() {
        let a = "100 a i1 t/s 1\n200 a i1 t/s 1\n";
        let b = "1150 b j1 t/s 2\n1300 b j1 t/s 2\n";
        assert!(judged(&[(a, 0), (b, 0)]).is_empty());
        let found = judged(&[(a, 0), (b, 1000)]);
        assert!(found[0].contains("by two at once"), "{found:?}");
    }

    #[test]
    fn two_processes_of_one_name_are_two() {
        let a = "100 a i1 t/s 1\n200 a i1 t/s 1\n";
        let found = judged(&[(a, 0), ("150 a i1 t/s 1\n", 0)]);
        assert!(found[0].contains("by two at once"), "{found:?}");
    }

    #[test]
    fn an_epoch_neither_falls_nor_comes_back() {
        let found = judged(&[("100 a i1 t/s 5\n200 a i2 t/s 4\n", 0)]);
        assert!(found[0].contains("fell"), "{found:?}");
        let found = judged(&[("100 a i1 t/s 5\n", 0), ("200 b j1 t/s 5\n", 0)]);
        assert!(found[0].contains("used twice"), "{found:?}");
    }

    #[test]
    fn a_line_that_is_being_written_waits_for_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        let mut witness = Witness::default();
        witness.add(&path, 0);
        std::fs::write(&path, "100 a i1 t/s 1\n200 a i1 t/").unwrap();
        witness.read().unwrap();
        assert_eq!(witness.runs()[0].last_ns, 100);
        std::fs::write(&path, "100 a i1 t/s 1\n200 a i1 t/s 1\n").unwrap();
        witness.read().unwrap();
        assert_eq!(witness.runs()[0].last_ns, 200);
    }
}
