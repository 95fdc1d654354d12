//! Playing the failure table, as it stands and with one rule off.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use switchboard_ownership::Rule;

use crate::complaint::Complaint;
use crate::scenarios::table::{ELSEWHERE, Guard, ROWS, Row};
use crate::trial::Trial;

/// The longest that one row may take, its world's start included.
const ROW_MAX: Duration = Duration::from_secs(180);

/// Plays the rows of these names, or all; every one of them, also after one has failed.
///
/// # Errors
/// When a name is unknown, or at the end when a row failed.
pub async fn play(names: &[String]) -> Result<()> {
    let known = |name: &String| ROWS.iter().any(|row| row.name == name.as_str());
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        bail!("there is no row {unknown}; there are {}", all.join(", "));
    }
    let chosen = ROWS
        .iter()
        .filter(|row| names.is_empty() || names.iter().any(|name| name == row.name));
    all_hold(chosen).await
}

/// Plays the rows that are marked as short.
///
/// # Errors
/// When one failed.
pub async fn play_short() -> Result<()> {
    all_hold(ROWS.iter().filter(|row| row.short)).await
}

async fn all_hold(rows: impl Iterator<Item = &Row>) -> Result<()> {
    let mut summary = Vec::new();
    for row in rows {
        let began = tokio::time::Instant::now();
        let result = once(row, None).await;
        let secs = began.elapsed().as_secs_f64();
        let line = match result {
            Ok(complaints) if complaints.is_empty() => {
                format!("passed  {secs:5.1} s  {} ({})", row.name, row.fault)
            }
            Ok(complaints) => format!(
                "FAILED  {secs:5.1} s  {}: {}",
                row.name,
                spoken(&complaints)
            ),
            Err(error) => format!("FAILED  {secs:5.1} s  {}: {error:#}", row.name),
        };
        println!("{line}");
        summary.push(line);
    }
    conclude(&summary)
}

/// Plays each row again without the rules that it guards, one at a time: a judge must complain, and of what the rule prevents. Names
/// are those of rows, of rules, or `row:rule`.
///
/// # Errors
/// When a name is neither a row nor a rule, or at the end when a rule was not missed for its own reason.
pub async fn play_without(names: &[String]) -> Result<()> {
    let mut summary = Vec::new();
    let mut pairs: Vec<(&Row, Guard)> = Vec::new();
    for row in ROWS {
        let named = |guard: &&Guard| {
            let rule = format!("{:?}", guard.rule);
            names.is_empty()
                || names.iter().any(|name| {
                    name == row.name || *name == rule || *name == format!("{}:{rule}", row.name)
                })
        };
        pairs.extend(row.guards.iter().filter(named).map(|guard| (row, *guard)));
        // A pair that the table does not have may be tried all the same: any complaint counts then.
        let tried = Rule::ALL.into_iter().filter(|rule| {
            let known = row.guards.iter().any(|guard| guard.rule == *rule);
            !known && names.contains(&format!("{}:{rule:?}", row.name))
        });
        pairs.extend(tried.map(|rule| (row, Guard { rule, shows: &[] })));
    }
    ensure!(
        !pairs.is_empty(),
        "no row or rule of these names is shown here: {}",
        names.join(", ")
    );
    for (row, guard) in pairs {
        let began = tokio::time::Instant::now();
        let result = once(row, Some(guard.rule)).await;
        let secs = began.elapsed().as_secs_f64();
        let what = format!("{secs:5.1} s  {} without {:?}", row.name, guard.rule);
        let line = match result {
            Ok(complaints) => match caught(&guard, &complaints) {
                Some(proof) => format!("caught  {what}: {proof}"),
                None if complaints.is_empty() => format!("FAILED  {what}: no judge complains"),
                None => format!(
                    "FAILED  {what}: no complaint is one of {:?}: {}",
                    guard.shows,
                    spoken(&complaints)
                ),
            },
            Err(error) => format!("FAILED  {what}: {error:#}"),
        };
        println!("{line}");
        summary.push(line);
    }
    conclude(&summary)
}

/// The complaint that shows what the rule is good for.
fn caught<'a>(guard: &Guard, complaints: &'a [Complaint]) -> Option<&'a Complaint> {
    let shows =
        |complaint: &&Complaint| guard.shows.is_empty() || guard.shows.contains(&complaint.kind);
    complaints.iter().find(shows)
}

fn spoken(complaints: &[Complaint]) -> String {
    let texts: Vec<_> = complaints.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn conclude(summary: &[String]) -> Result<()> {
    let failed = summary
        .iter()
        .filter(|line| line.starts_with("FAILED"))
        .count();
    println!("\nin short:");
    for line in summary {
        println!("{}", line.chars().take(160).collect::<String>());
    }
    ensure!(failed == 0, "{failed} of {} failed", summary.len());
    Ok(())
}

/// Plays a row once; what the judges say.
async fn once(row: &Row, off: Option<Rule>) -> Result<Vec<Complaint>> {
    let mut plan = (row.plan)();
    plan.rules_off.extend(off);
    let played = async {
        let mut trial = Trial::start(plan).await?;
        let result = (row.play)(&mut trial).await;
        if off.is_none() && (result.is_err() || !trial.complaints.is_empty()) {
            trial.world.keep(row.name).await?;
        }
        if let Err(error) = result {
            // What a judge has said already counts, whatever broke afterwards.
            if trial.complaints.is_empty() || off.is_none() {
                return Err(error).with_context(|| trial.world.last_words());
            }
        }
        if off.is_none() && !trial.complaints.is_empty() {
            println!("{}", trial.world.last_words());
        }
        Ok(trial.complaints)
    };
    let played = tokio::time::timeout(ROW_MAX, played).await;
    played.with_context(|| format!("{} took longer than {ROW_MAX:?}", row.name))?
}

/// Prints every rule with what shows it.
pub fn print_table() {
    for row in ROWS {
        let rules: Vec<_> = row
            .guards
            .iter()
            .map(|guard| format!("{:?} {:?}", guard.rule, guard.shows))
            .collect();
        println!("{:<20} {:<50} {}", row.name, row.fault, rules.join(", "));
    }
    for shown in ELSEWHERE {
        println!(
            "{:<20} {:<50} {}",
            format!("{:?}", shown.rule),
            shown.file,
            shown.test
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::complaint::Kind;

    #[test]
    fn every_rule_is_shown_by_a_row_or_by_a_test_that_exists() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for rule in Rule::ALL {
            let here = ROWS
                .iter()
                .any(|row| row.guards.iter().any(|guard| guard.rule == rule));
            let there = ELSEWHERE.iter().find(|shown| shown.rule == rule);
            if let Some(shown) = there {
                let text = std::fs::read_to_string(root.join(shown.file)).unwrap_or_default();
                let found = text.contains(&format!("fn {}(", shown.test));
                assert!(
                    found,
                    "{rule:?}: there is no {} in {}",
                    shown.test, shown.file
                );
            }
            assert!(
                here || there.is_some(),
                "nothing shows what {rule:?} is good for"
            );
        }
    }

    #[test]
    fn every_row_has_a_rule_without_which_it_fails_for_a_reason() {
        for row in ROWS {
            assert!(!row.guards.is_empty(), "{} guards nothing", row.name);
            let named = row.guards.iter().all(|guard| !guard.shows.is_empty());
            assert!(named, "{} does not say what is missed", row.name);
        }
    }

    #[test]
    fn a_rule_is_missed_only_for_its_own_reason() {
        let complaint = |kind| Complaint {
            kind,
            text: String::new(),
        };
        let guard = Guard {
            rule: Rule::SelfFence,
            shows: &[Kind::Owners],
        };
        let other = [complaint(Kind::Works), complaint(Kind::Texts)];
        assert_eq!(caught(&guard, &other), None);
        let own = [complaint(Kind::Works), complaint(Kind::Owners)];
        assert_eq!(caught(&guard, &own), own.last());
    }

    #[test]
    fn names_of_rows_are_unique() {
        let mut names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ROWS.len());
    }
}
