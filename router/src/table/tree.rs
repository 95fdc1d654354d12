//! Rows by the segments of their paths.

use std::collections::HashMap;

use super::segment::Pattern;

/// The numbers of the rows of one path.
type Leaf = Vec<usize>;

/// A node of the tree: what can follow, best match first.
#[derive(Debug, Default)]
pub(super) struct Tree {
    rows: Leaf,
    literals: HashMap<String, Self>,
    /// Parameters with text round them, longest text first, then the bare one; names do not tell paths apart.
    params: Vec<(Pattern, Self)>,
}

impl Tree {
    /// The leaf of a shape, made when it is not there.
    pub(super) fn leaf(&mut self, shape: &[Pattern]) -> &mut Leaf {
        let Some((first, rest)) = shape.split_first() else {
            return &mut self.rows;
        };
        match first {
            Pattern::Literal(text) => self.literals.entry(text.clone()).or_default().leaf(rest),
            Pattern::Param { .. } => self.param(first).leaf(rest),
        }
    }

    fn param(&mut self, pattern: &Pattern) -> &mut Self {
        let same = |(other, _): &(Pattern, Self)| around(other) == around(pattern);
        let at = if let Some(at) = self.params.iter().position(same) {
            at
        } else {
            let length = |pattern: &Pattern| around(pattern).0.len() + around(pattern).1.len();
            let at = self
                .params
                .partition_point(|(other, _)| length(other) >= length(pattern));
            self.params.insert(at, (pattern.clone(), Self::default()));
            at
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was found or inserted above"
        )]
        &mut self.params[at].1
    }

    /// Every leaf that a path reaches, best first.
    pub(super) fn matches<'t>(&'t self, parts: &[String]) -> Vec<&'t Leaf> {
        let mut found = Vec::new();
        self.collect(parts, &mut found);
        found
    }

    fn collect<'t>(&'t self, parts: &[String], found: &mut Vec<&'t Leaf>) {
        let Some((first, rest)) = parts.split_first() else {
            if !self.rows.is_empty() {
                found.push(&self.rows);
            }
            return;
        };
        if let Some(next) = self.literals.get(first) {
            next.collect(rest, found);
        }
        for (pattern, next) in &self.params {
            if pattern.value(first).is_some() {
                next.collect(rest, found);
            }
        }
    }
}

fn around(pattern: &Pattern) -> (&str, &str) {
    match pattern {
        Pattern::Literal(text) => (text, ""),
        Pattern::Param { prefix, suffix, .. } => (prefix, suffix),
    }
}
