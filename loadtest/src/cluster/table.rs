//! Figures as a table for the documentation.

use std::time::Duration;

/// The rows so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 6]>,
}

impl Table {
    /// A row of times.
    pub(crate) fn times(&mut self, what: &str, mut times_ms: Vec<u64>, wanted: &str) {
        times_ms.sort_unstable();
        let at = |part: usize| {
            let place = (times_ms.len() * part).div_ceil(100).saturating_sub(1);
            times_ms
                .get(place)
                .map_or_else(|| "-".to_owned(), |ms| seconds(*ms))
        };
        self.row([
            what.to_owned(),
            times_ms.len().to_string(),
            at(50),
            at(99),
            at(100),
            wanted.to_owned(),
        ]);
    }

    /// A row of one time.
    pub(crate) fn time(&mut self, what: &str, count: usize, took: Duration, wanted: &str) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.text(what, count, seconds(ms), wanted);
    }

    /// A row of one number.
    pub(crate) fn number(&mut self, what: &str, of: usize, number: usize, wanted: &str) {
        self.text(what, of, number.to_string(), wanted);
    }

    /// A row of one figure.
    pub(crate) fn text(&mut self, what: &str, of: usize, figure: String, wanted: &str) {
        let empty = String::new;
        self.row([
            what.to_owned(),
            of.to_string(),
            empty(),
            empty(),
            figure,
            wanted.to_owned(),
        ]);
    }

    fn row(&mut self, row: [String; 6]) {
        // Shown at once too: a run takes minutes.
        println!("{}", row.join(" | "));
        self.rows.push(row);
    }

    pub(crate) fn print(&self) {
        println!("| what | of | p50 | p99 | max | wanted |\n|---|---:|---:|---:|---:|---|");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

fn seconds(ms: u64) -> String {
    if ms < 1_000 {
        format!("{ms} ms")
    } else {
        format!("{:.2} s", ms as f64 / 1e3)
    }
}
