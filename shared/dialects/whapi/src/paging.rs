//! What the listings share: which page is asked for, and how much there is in all.

use serde::{Deserialize, Serialize};
use switchboard_dialect_kit::{Cx, FromInput, Query, Reject};
use switchboard_vocab::{OpError, Timestamp};

use crate::ids::invalid;

/// Entries of a page when the caller names no number. Source: the default of `count`.
const COUNT_DEFAULT: u32 = 100;
/// Most entries of a page. Source: the maximum of `count`.
const COUNT_MAX: u32 = 500;

/// The query of every listing; each reads the fields it has.
#[derive(Deserialize)]
pub(crate) struct PageQuery {
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    count: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    offset: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    time_from: Option<u64>,
    #[serde(default, deserialize_with = "crate::numbers::optional")]
    time_to: Option<u64>,
    sort: Option<Sort>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    Asc,
    Desc,
}

/// The page a caller asks for.
#[derive(Clone, Copy)]
pub(crate) struct Page {
    pub(crate) count: u32,
    pub(crate) offset: u32,
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) oldest_first: bool,
}

impl Page {
    /// Reads the page from the request.
    pub(crate) fn of(cx: &Cx) -> Result<Self, Reject> {
        let Query(query) = Query::<PageQuery>::from_input(cx.input())?;
        let count = query.count.unwrap_or(u64::from(COUNT_DEFAULT));
        let count = u32::try_from(count).ok();
        Ok(Self {
            count: count
                .filter(|count| (1..=COUNT_MAX).contains(count))
                .ok_or_else(|| invalid("count", format!("1 to {COUNT_MAX} are possible")))?,
            offset: u32::try_from(query.offset.unwrap_or(0))
                .map_err(|_| invalid("offset", "it is too large"))?,
            from: query.time_from.map(Timestamp::from_secs),
            until: query.time_to.map(Timestamp::from_secs),
            oldest_first: query.sort == Some(Sort::Asc),
        })
    }

    /// The same, while the answer is written.
    pub(crate) fn asked(cx: &Cx) -> Result<Self, OpError> {
        Self::of(cx).map_err(|reject| reject.0)
    }
}

/// `Iterator`: which page this is. The number is the one asked for, as in that system's own samples.
#[derive(Serialize)]
pub(crate) struct Paging {
    count: u32,
    total: u64,
    offset: u32,
}

impl Paging {
    /// The page that was asked for, out of so many entries.
    pub(crate) fn of(cx: &Cx, total: u64) -> Result<Self, OpError> {
        let Page { count, offset, .. } = Page::asked(cx)?;
        Ok(Self {
            count,
            total,
            offset,
        })
    }
}
