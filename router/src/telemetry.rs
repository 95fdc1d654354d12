//! Numbers about calls. Labels are bounded: dialects, routes of the tables, statuses, operations; never a session.

use std::time::Duration;

use axum::http::StatusCode;
use bytes::Bytes;
use switchboard_dialect_kit::{Action, Prepared};
use switchboard_vocab::{DialectName, OpError};

use crate::table::Row;

/// What a request is counted under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labels {
    dialect: &'static str,
    route: &'static str,
    operation: &'static str,
}

impl Labels {
    /// The labels of a row.
    pub(crate) fn of(row: &Row) -> Self {
        let operation = match &row.route.action {
            Action::Call(endpoint) => endpoint.operation(),
            Action::Local(_) => "local",
            Action::Refused(_) => "refused",
        };
        Self {
            dialect: row.dialect.name.as_str(),
            route: row.route.path,
            operation,
        }
    }

    /// The labels of a path that no row has.
    pub(crate) fn unknown(dialect: Option<DialectName>) -> Self {
        let dialect = dialect.map_or("none", DialectName::as_str);
        Self {
            dialect,
            route: "unknown",
            operation: "none",
        }
    }

    /// Names the request in its span.
    pub(crate) fn record_in_span(self) {
        let span = tracing::Span::current();
        span.record("dialect", self.dialect);
        span.record("route", self.route);
        span.record("op", self.operation);
    }

    /// Counts a request that was answered.
    pub(crate) fn count(self, status: StatusCode, took: Duration) {
        let Self {
            dialect,
            route,
            operation,
        } = self;
        let status_text = status.as_str().to_owned();
        metrics::counter!(
            "switchboard_http_requests_total",
            "dialect" => dialect, "route" => route, "operation" => operation, "status" => status_text
        )
        .increment(1);
        metrics::histogram!(
            "switchboard_http_request_duration_seconds",
            "dialect" => dialect, "route" => route, "operation" => operation
        )
        .record(took.as_secs_f64());
        tracing::debug!(
            status = status.as_u16(),
            took_ms = took.as_millis(),
            "answered"
        );
    }
}

/// Counts what became of one operation.
pub(crate) fn operation(prepared: &Prepared, outcome: &Result<Bytes, OpError>) {
    let code = match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => crate::problem::name(error.code),
    };
    metrics::counter!(
        "switchboard_router_operations_total",
        "operation" => prepared.name, "outcome" => code
    )
    .increment(1);
}

/// How the waiting of a call for its owner ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnerWait {
    /// There was one to ask.
    Found,
    /// The time, or the rounds, were over.
    InVain,
    /// As many calls waited as may.
    Full,
}

/// Counts a call that waited for its owner.
pub(crate) fn owner_wait(ended: OwnerWait, waited: Duration) {
    let outcome = match ended {
        OwnerWait::Found => "found",
        OwnerWait::InVain => "in_vain",
        OwnerWait::Full => "full",
    };
    metrics::counter!("switchboard_router_owner_waits_total", "outcome" => outcome).increment(1);
    metrics::histogram!("switchboard_router_owner_wait_seconds").record(waited.as_secs_f64());
}
