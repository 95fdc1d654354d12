//! A dialect's table, held against the list of its system's operations and against the cases of its tests.

use std::collections::BTreeSet;

use super::params;
use crate::dialect::Dialect;
use crate::routes::{Action, Route};

/// The dialect's rows, aliases aside, are a list of its `count` operations, one `METHOD path` per line.
///
/// # Panics
/// When one has what the other has not.
pub fn check_table(dialect: &Dialect, facts: &str, count: usize) {
    let wanted = listed(facts);
    let rows = (dialect.routes)().into_rows();
    let found = keys(rows.iter().filter(|row| !row.alias));
    let (missing, added) = differences(&wanted, &found);
    assert_eq!((missing, added), (Vec::new(), Vec::new()));
    assert_eq!(wanted.len(), count);
}

/// The paths of the dialect's rows that are not refused stand in the source text of its tests, or in the list of
/// exceptions, one `METHOD path` per line.
///
/// # Panics
/// When a row has no case, or the list names one that has.
pub fn check_cases(dialect: &Dialect, tests: &[&str], exceptions: &str) {
    let literals: BTreeSet<&str> = tests
        .iter()
        .flat_map(|text| text.split('"'))
        .filter(|literal| literal.starts_with('/'))
        .map(|literal| literal.split_once('?').map_or(literal, |(path, _)| path))
        .collect();
    let has_case = |row: &&Route| {
        let stem = row.path.rsplit_once("/{").map(|(stem, _)| stem);
        literals.iter().any(|literal| {
            let segments: Vec<&str> = literal.split('/').collect();
            params(row.path, &segments).is_some() || stem == Some(literal)
        })
    };
    let rows = (dialect.routes)().into_rows();
    let offered = rows
        .iter()
        .filter(|row| !matches!(row.action, Action::Refused(_)));
    let found = keys(offered.filter(|row| !has_case(row)));
    let (uncovered, covered) = differences(&found, &listed(exceptions));
    assert!(uncovered.is_empty(), "write cases for {uncovered:?}");
    let remove = "they have a case now and need not be listed";
    assert!(covered.is_empty(), "{covered:?}: {remove}");
}

/// The lines of a list, comments aside.
fn listed(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn keys<'a>(rows: impl Iterator<Item = &'a Route>) -> BTreeSet<String> {
    rows.map(|row| format!("{} {}", row.method, row.path))
        .collect()
}

/// What only the first has, and what only the second has.
fn differences(first: &BTreeSet<String>, second: &BTreeSet<String>) -> (Vec<String>, Vec<String>) {
    (
        first.difference(second).cloned().collect(),
        second.difference(first).cloned().collect(),
    )
}
