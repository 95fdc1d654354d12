//! The rows of all dialects as one tree of path segments, and the search in it.
//!
//! Owns matching: a literal segment wins over a parameter with a prefix (`instance{id}`), that over a bare parameter,
//! and a path that has no row for the method is searched further. Empty segments do not count, because clients whose
//! base URL ends in a slash send `//messages`. Must not know what a row does.

mod segment;
mod tree;

use std::collections::BTreeMap;

use http::Method;
use switchboard_dialect_kit::{Dialect, Route};
use switchboard_vocab::DialectName;

use self::segment::{Pattern, segments};
use self::tree::Tree;

/// Most segments of a path that is looked at. The deepest row of any table has seven.
const SEGMENTS_MAX: usize = 32;

/// Why tables cannot be served together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two rows take the same requests.
    #[error("{method} {path} of {second} takes the same requests as {other_path} of {first}")]
    Duplicate {
        /// The method of both.
        method: Method,
        /// The later row's path.
        path: &'static str,
        /// The later row's dialect.
        second: DialectName,
        /// The earlier row's path.
        other_path: &'static str,
        /// The earlier row's dialect.
        first: DialectName,
    },
    /// A row's path is not one that this table understands.
    #[error("{path:?} of {dialect} is not a path: {reason}")]
    Path {
        /// The path.
        path: &'static str,
        /// Its dialect.
        dialect: DialectName,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// One row with the dialect it belongs to.
#[derive(Debug)]
pub(crate) struct Row {
    /// The dialect.
    pub(crate) dialect: Dialect,
    /// The row.
    pub(crate) route: Route,
    shape: Vec<Pattern>,
}

/// All rows.
#[derive(Debug)]
pub(crate) struct Table {
    dialects: Vec<Dialect>,
    rows: Vec<Row>,
    tree: Tree,
}

/// What a search found.
#[derive(Debug)]
pub(crate) enum Found<'t> {
    /// A row, with its parameters.
    Row(&'t Row, BTreeMap<String, String>),
    /// Rows of this path, all with other methods.
    OtherMethods(Vec<&'t Row>),
    /// Nothing.
    Nothing,
}

impl Table {
    /// The rows of these dialects in one table.
    pub(crate) fn new(dialects: &[Dialect]) -> Result<Self, Error> {
        let mut table = Self {
            dialects: dialects.to_vec(),
            rows: Vec::new(),
            tree: Tree::default(),
        };
        for dialect in dialects {
            for route in (dialect.routes)().into_rows() {
                table.add(*dialect, route)?;
            }
        }
        Ok(table)
    }

    fn add(&mut self, dialect: Dialect, route: Route) -> Result<(), Error> {
        let shape = segment::parse(route.path).map_err(|reason| Error::Path {
            path: route.path,
            dialect: dialect.name,
            reason,
        })?;
        let leaf = self.tree.leaf(&shape);
        let rivals = leaf.iter().filter_map(|at| self.rows.get(*at));
        for rival in rivals {
            if rival.route.method == route.method {
                return Err(Error::Duplicate {
                    method: route.method,
                    path: route.path,
                    second: dialect.name,
                    other_path: rival.route.path,
                    first: rival.dialect.name,
                });
            }
        }
        leaf.push(self.rows.len());
        self.rows.push(Row {
            dialect,
            route,
            shape,
        });
        Ok(())
    }

    /// Finds the row for a request. A HEAD goes where the GET goes.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let parts = segments(path);
        if parts.len() > SEGMENTS_MAX {
            return Found::Nothing;
        }
        let leaves = self.tree.matches(&parts);
        let wanted = |wanted: &Method| {
            leaves.iter().find_map(|leaf| {
                let rows = leaf.iter().filter_map(|at| self.rows.get(*at));
                rows.into_iter().find(|row| row.route.method == *wanted)
            })
        };
        let row = wanted(method).or_else(|| {
            (*method == Method::HEAD)
                .then(|| wanted(&Method::GET))
                .flatten()
        });
        if let Some(row) = row {
            return Found::Row(row, segment::capture(&row.shape, &parts));
        }
        let others = leaves.iter().copied().flatten();
        let others: Vec<_> = others.filter_map(|at| self.rows.get(*at)).collect();
        if others.is_empty() {
            Found::Nothing
        } else {
            Found::OtherMethods(others)
        }
    }

    /// How many leading segments of a path each dialect knows: whose path space an unknown path lies in.
    pub(crate) fn depths(&self, path: &str) -> Vec<(Dialect, usize)> {
        let parts = segments(path);
        let depth = |dialect: &Dialect| {
            let own = self.rows.iter().filter(|r| r.dialect.name == dialect.name);
            own.map(|row| segment::shared(&row.shape, &parts))
                .max()
                .unwrap_or(0)
        };
        self.dialects.iter().map(|d| (*d, depth(d))).collect()
    }
}

#[cfg(test)]
mod tests;
