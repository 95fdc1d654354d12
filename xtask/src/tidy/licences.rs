//! Licences of everything that is linked, held against the allow-list of deny.toml.

use std::fs;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;

use crate::steps::root;

#[derive(Debug, Deserialize)]
struct Deny {
    licenses: Licences,
}

#[derive(Debug, Deserialize)]
struct Licences {
    allow: Vec<String>,
}

/// Packages whose licence expression cannot be met from the allow-list.
pub(super) fn not_allowed() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join("deny.toml")).context("read deny.toml")?;
    let deny: Deny = toml::from_str(&text).context("parse deny.toml")?;
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .other_options(vec!["--locked".to_owned()])
        .exec()?;
    let mut broken = Vec::new();
    for package in &metadata.packages {
        let expression = package.license.clone().unwrap_or_default();
        if !is_met(&expression, &deny.licenses.allow) {
            broken.push(format!(
                "{} {} has licence {expression:?}",
                package.name, package.version
            ));
        }
    }
    Ok(broken)
}

/// Whether one alternative of the expression has only allowed licences. Brackets are read as the flat list they are in
/// practice: every crate here has `A OR B`, `(A OR B) AND C`, or the old `A/B`.
fn is_met(expression: &str, allow: &[String]) -> bool {
    if expression.is_empty() {
        return false;
    }
    let flat = expression.replace('/', " OR ").replace(['(', ')'], " ");
    flat.split(" AND ").all(|part| {
        part.split(" OR ")
            .any(|licence| allow.iter().any(|allowed| allowed == licence.trim()))
    })
}
