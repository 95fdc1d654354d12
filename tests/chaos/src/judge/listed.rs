//! Whether the list of messages has what the phones sent, each once.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::world::Scene;

/// What is wrong with the lists. Only texts that contain `name` are looked for: the list shows the latest messages.
///
/// # Errors
/// When a list cannot be read.
pub async fn complaints(scene: &Scene, name: &str) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for line in &scene.office.lines() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for text in scene.office.listed(line).await? {
            *counts.entry(text).or_default() += 1;
        }
        let session = &line.session;
        let doubled = counts
            .iter()
            .filter(|(text, count)| **count > 1 && text.contains(name));
        complaints
            .extend(doubled.map(|(text, count)| format!("{session} lists {text:?} {count} times")));
        let sent = scene.office.ledger.sent_to(session);
        let missing = sent
            .iter()
            .filter(|text| text.contains(name) && !counts.contains_key(*text));
        complaints.extend(missing.map(|text| format!("{session} does not list {text:?}")));
    }
    Ok(complaints)
}
