//! What happened when, for the text of a failed run.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock;

/// Lines kept; the first ones go first.
const LINES_MAX: usize = 2_000;

/// A shared list of lines with times.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    lines: Arc<Mutex<Vec<(i64, String)>>>,
}

impl Timeline {
    /// Adds a line.
    pub fn note(&self, text: impl Into<String>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.remove(0);
        }
        lines.push((clock::boottime_ns(), text.into()));
    }

    /// All lines, with seconds since the machine was started, as witness lines and the judges' complaints have them.
    #[must_use]
    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (at, line) in lines.iter() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {line}", seconds(*at));
        }
        text
    }
}

/// A boot-time moment for people.
#[must_use]
pub fn seconds(at_ns: i64) -> String {
    format!("{}.{:03}", at_ns / 1_000_000_000, at_ns / 1_000_000 % 1000)
}
