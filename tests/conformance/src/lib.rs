//! What all five tables say together: the coverage document, and rules that hold for every dialect.

use std::fmt::Write;

use switchboard_dialect_kit::{Action, Dialect, Refusal, Route};

/// The dialects of the product, in the order of the documentation.
#[must_use]
pub const fn dialects() -> [Dialect; 5] {
    [
        switchboard_dialect_whapi::dialect(),
        switchboard_dialect_wapi::dialect(),
        switchboard_dialect_chatapi::dialect(),
        switchboard_dialect_wuzapi::dialect(),
        switchboard_dialect_wwebjs::dialect(),
    ]
}

/// The text of docs/coverage.md.
#[must_use]
pub fn document() -> String {
    let mut text = String::from(
        "<!-- Generated from the route tables by `cargo xtask coverage`; do not edit. -->\n# Coverage\n\nEvery operation of the five \
         APIs is a row of a table. A row is offered, or refused with a reason; nothing answers success without the effect.\n\n\
         | API | operations | offered | refused: later release | refused: not possible |\n|---|---:|---:|---:|---:|\n",
    );
    for dialect in dialects() {
        let rows = (dialect.routes)().into_rows();
        let own = || rows.iter().filter(|row| !row.alias);
        let refused = |wanted: fn(Refusal) -> bool| {
            own()
                .filter(|row| matches!(row.action, Action::Refused(refusal) if wanted(refusal)))
                .count()
        };
        let later = refused(|refusal| refusal == Refusal::LaterRelease);
        let never = refused(|refusal| refusal != Refusal::LaterRelease);
        let all = own().count();
        let line = format!(
            "| {} | {all} | {} | {later} | {never} |\n",
            dialect.name,
            all - later - never
        );
        text.push_str(&line);
    }
    for dialect in dialects() {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n## {}\n\n| call | becomes |\n|---|---|\n",
            dialect.name
        );
        for row in (dialect.routes)().into_rows() {
            text.push_str(&line(&row));
        }
    }
    text
}

fn line(row: &Route) -> String {
    let alias = if row.alias { " (alias)" } else { "" };
    let becomes = match &row.action {
        Action::Call(endpoint) => format!("`{}`", endpoint.operation()),
        Action::Local(_) => "answered by the router".to_owned(),
        Action::Refused(refusal) => format!("refused: {}", refusal.reason()),
    };
    format!("| `{} {}`{alias} | {becomes} |\n", row.method, row.path)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn no_two_rows_of_any_table_collide() {
        let mut seen = HashMap::new();
        for dialect in dialects() {
            for row in (dialect.routes)().into_rows() {
                // Names of parameters do not tell paths apart.
                let shape: Vec<_> = row
                    .path
                    .split('/')
                    .map(|part| if part.starts_with('{') { "{}" } else { part })
                    .collect();
                let key = (row.method.clone(), shape.join("/"));
                let earlier = seen.insert(key, dialect.name);
                assert_eq!(
                    earlier, None,
                    "{} {} of {} is taken",
                    row.method, row.path, dialect.name
                );
            }
        }
    }

    #[test]
    fn every_operation_a_table_names_exists() {
        use switchboard_vocab::catalog::{CLUSTER_OPERATIONS, SESSION_OPERATIONS};
        for dialect in dialects() {
            for row in (dialect.routes)().into_rows() {
                if let Action::Call(endpoint) = &row.action {
                    let name = endpoint.operation();
                    let known =
                        SESSION_OPERATIONS.contains(&name) || CLUSTER_OPERATIONS.contains(&name);
                    assert!(known, "{} {} becomes {name}", row.method, row.path);
                }
            }
        }
    }
}
