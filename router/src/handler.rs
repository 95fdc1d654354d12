//! The one handler behind every row of every table.
//!
//! Owns the order of steps: find the row, judge the key, read the body, prepare, call the owners, finish, write. Every
//! failure of every step is shown in the words of the dialect whose path it is. Must not know any dialect by name.

mod cors;
mod response;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{StreamExt, stream};
use switchboard_dialect_kit::routes::{Endpoint, PAGES_MAX};
use switchboard_dialect_kit::{
    Action, Body, Credentials, Cx, Dialect, Input, Prepared, Reject, Reply,
};
use switchboard_vocab::{ErrorCode, OpError, Scope};
use tokio::sync::OwnedSemaphorePermit;

use crate::app::App;
use crate::auth::{self, Caller, no_session};
use crate::forward::Ticket;
use crate::gate::SessionPermit;
use crate::problem::Problem;
use crate::table::{Found, Row, Table};
use crate::trace::Trace;
use crate::{body, clock, secret, staging, telemetry};

/// Operations of one fan-out under way at once. They begin in order, so that messages to one chat stay in order.
const FAN_OUT_PARALLEL_MAX: usize = 8;

/// A table mounted on a listener.
#[derive(Debug)]
pub(crate) struct Mount {
    /// What all surfaces share.
    pub(crate) app: Arc<App>,
    /// The rows this listener serves.
    pub(crate) table: Table,
    /// The dialect that every unknown path belongs to, on a listener for one dialect.
    pub(crate) alone: Option<Dialect>,
}

/// What a call holds while it is under way.
struct Permits {
    _request: OwnedSemaphorePermit,
    _session: Option<SessionPermit>,
}

/// A call that was let in.
struct Admitted {
    caller: Caller,
    permits: Permits,
}

/// Answers a request to any path that no other surface has.
pub(crate) async fn handle(State(mount): State<Arc<Mount>>, request: Request) -> Response {
    let started = clock::monotonic();
    let (parts, body) = request.into_parts();
    if mount.app.cors && cors::is_preflight(&parts.method, &parts.headers) {
        return cors::preflight();
    }
    let trace = Trace::in_request(&parts.extensions);
    let mut input = input_of(&parts);
    let (mut response, labels) = match mount.table.find(&parts.method, parts.uri.path()) {
        Found::Row(row, params) => {
            input.params = params;
            let labels = telemetry::Labels::of(row);
            labels.record_in_span();
            (mount.answer(row, input, body, trace).await, labels)
        }
        Found::OtherMethods(rows) => {
            body::refuse(&parts.headers, body).await;
            let candidates: Vec<_> = rows.iter().map(|row| (row.dialect, 1)).collect();
            mount.unknown(&input, &candidates, "this path takes other methods")
        }
        Found::Nothing => {
            body::refuse(&parts.headers, body).await;
            let candidates = mount.table.depths(parts.uri.path());
            mount.unknown(&input, &candidates, "there is no such path")
        }
    };
    if mount.app.cors {
        cors::allow(response.headers_mut());
    }
    labels.count(response.status(), started.elapsed());
    response
}

impl Mount {
    /// Answers a request to a row.
    async fn answer(&self, row: &Row, input: Input, body: HttpBody, trace: Arc<str>) -> Response {
        let head = input.method == Method::HEAD;
        let admitted = match self.admit(row, &input) {
            Ok(admitted) => admitted,
            Err(error) => {
                body::refuse(&input.headers, body).await;
                return self.fail(&row.dialect, &error, &self.bare(input));
            }
        };
        let (input, _memory) = match self.read(row, input, body).await {
            Ok(read) => read,
            Err((error, input)) => return self.fail(&row.dialect, &error, &self.bare(input)),
        };
        let Admitted { caller, permits } = admitted;
        let seed = match secret::seed() {
            Ok(seed) => seed,
            Err(error) => return self.fail(&row.dialect, &error, &self.bare(input)),
        };
        let cx = Cx::new(
            Arc::new(input),
            caller.session().cloned(),
            caller.token().map(str::to_owned),
            clock::now(),
            Arc::clone(&self.app.env),
            seed,
        );
        let ticket = self.app.ticket(trace);
        let answered = match self.execute(row, &caller, &cx, &ticket).await {
            Ok(reply) => response::write(&self.app, reply, &cx, &ticket, head, permits).await,
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| self.fail(&row.dialect, &error, &cx))
    }

    /// Counts the call in and judges its key, before a byte of the body is read: who has no key costs no memory.
    fn admit(&self, row: &Row, input: &Input) -> Result<Admitted, OpError> {
        let request = self.app.gate.enter()?;
        self.app.check_current()?;
        let shown = pure(|| (row.dialect.credentials)(input).map_err(|Reject(error)| error))?;
        let caller = auth::judge(&self.app.directory, row.route.access, shown)?;
        let session = caller
            .session()
            .map(|session| self.app.gate.enter_session(session));
        let permits = Permits {
            _request: request,
            _session: session.transpose()?,
        };
        Ok(Admitted { caller, permits })
    }

    /// Completes the input with its body, which a refused row does without.
    async fn read(
        &self,
        row: &Row,
        mut input: Input,
        body: HttpBody,
    ) -> Result<(Input, Option<OwnedSemaphorePermit>), (OpError, Input)> {
        if matches!(row.route.action, Action::Refused(_)) {
            body::refuse(&input.headers, body).await;
            return Ok((input, None));
        }
        let (limits, budget) = (&self.app.limits, &self.app.gate.budget);
        match body::read(limits, budget, &input.headers, body).await {
            Ok(read) => {
                input.body = read.body;
                Ok((input, read.memory))
            }
            Err(error) => Err((error, input)),
        }
    }

    async fn execute(
        &self,
        row: &Row,
        caller: &Caller,
        cx: &Cx,
        ticket: &Ticket,
    ) -> Result<Reply, OpError> {
        match &row.route.action {
            Action::Refused(refusal) => Err(OpError::new(ErrorCode::Refused, refusal.reason())),
            Action::Local(answer) => pure(|| answer(cx).map_err(|Reject(error)| error)),
            Action::Call(endpoint) => self.call(endpoint.as_ref(), caller, cx, ticket).await,
        }
    }

    async fn call(
        &self,
        endpoint: &dyn Endpoint,
        caller: &Caller,
        cx: &Cx,
        ticket: &Ticket,
    ) -> Result<Reply, OpError> {
        let prepared = pure(|| endpoint.prepare(cx).map_err(|Reject(error)| error))?;
        let mut answers: Vec<_> = stream::iter(prepared)
            .map(|prepared| async move { self.one(&prepared, caller, ticket).await })
            .buffered(FAN_OUT_PARALLEL_MAX)
            .collect()
            .await;
        let mut seen = 0;
        for _ in 1..PAGES_MAX {
            let Some(last) = answers.last() else { break };
            let next = || {
                let next = endpoint.next_page(last, seen, cx);
                next.map_err(|Reject(error)| error)
            };
            let Some((prepared, before)) = pure(next)? else {
                break;
            };
            seen = before;
            answers.push(self.one(&prepared, caller, ticket).await);
        }
        pure(|| endpoint.finish(answers, cx))
    }

    async fn one(
        &self,
        prepared: &Prepared,
        caller: &Caller,
        ticket: &Ticket,
    ) -> Result<Bytes, OpError> {
        let outcome = match prepared.scope {
            Scope::Cluster => self.app.cluster.run(caller, prepared, ticket).await,
            Scope::Session => {
                let session = caller
                    .session()
                    .ok_or_else(|| OpError::internal("the row has no session"))?;
                if self.app.directory.session(session).is_none() {
                    return Err(no_session(session.session.as_str()));
                }
                staging::run(&self.app.forward, session, prepared, ticket).await
            }
        };
        telemetry::operation(prepared, &outcome);
        outcome
    }

    /// A context for an error before anything is known of the caller.
    fn bare(&self, input: Input) -> Cx {
        Cx::new(
            Arc::new(input),
            None,
            None,
            clock::now(),
            Arc::clone(&self.app.env),
            0,
        )
    }

    /// An error in the words of a dialect.
    fn fail(&self, dialect: &Dialect, error: &OpError, cx: &Cx) -> Response {
        if error.code == ErrorCode::Internal || error.internal.is_some() {
            tracing::warn!(code = ?error.code, internal = ?error.internal, "a request failed");
        }
        match pure(|| Ok((dialect.error)(error, cx))) {
            Ok(reply) => response::failure(reply, error),
            Err(_) => Problem::from(error.clone()).into_response(),
        }
    }

    /// A path or method that no row has: shown in the words of the dialect the caller most likely means.
    fn unknown(
        &self,
        input: &Input,
        candidates: &[(Dialect, usize)],
        words: &str,
    ) -> (Response, telemetry::Labels) {
        let error = OpError::new(ErrorCode::UnknownRoute, words);
        match self.alone.or_else(|| meant(input, candidates)) {
            Some(dialect) => {
                let response = self.fail(&dialect, &error, &self.bare(input.clone()));
                (response, telemetry::Labels::unknown(Some(dialect.name)))
            }
            None => (
                Problem::from(error).into_response(),
                telemetry::Labels::unknown(None),
            ),
        }
    }
}

/// Whose path an unknown one is: of the dialects that find a key of theirs in the request the one that knows most of
/// the path's leading segments; without a key, the one that knows most of them, if any does.
fn meant(input: &Input, candidates: &[(Dialect, usize)]) -> Option<Dialect> {
    let shown = |dialect: &Dialect| {
        let found = pure(|| Ok((dialect.credentials)(input)));
        matches!(
            found,
            Ok(Ok(Credentials::Session { .. } | Credentials::Tenant { .. }))
        )
    };
    let keyed: Vec<_> = candidates
        .iter()
        .filter(|(dialect, _)| shown(dialect))
        .collect();
    let best = |all: Vec<&(Dialect, usize)>| {
        // The first of equals, in the order of the documentation.
        all.into_iter()
            .rev()
            .max_by_key(|(_, depth)| *depth)
            .copied()
    };
    if keyed.is_empty() {
        let known = best(candidates.iter().collect());
        known
            .filter(|(_, depth)| *depth > 0)
            .map(|(dialect, _)| dialect)
    } else {
        best(keyed).map(|(dialect, _)| dialect)
    }
}

/// Runs a function of a dialect. One that panics costs its own request, nothing else.
fn pure<T>(function: impl FnOnce() -> Result<T, OpError>) -> Result<T, OpError> {
    // Nothing a dialect function touches outlives the request, except the id generator, whose lock copes.
    catch_unwind(AssertUnwindSafe(function))
        .unwrap_or_else(|_| Err(OpError::internal("a function of the dialect panicked")))
}

fn input_of(parts: &request::Parts) -> Input {
    let query = parts.uri.query().unwrap_or_default();
    Input {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        params: std::collections::BTreeMap::new(),
        query: url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        headers: HeaderMap::clone(&parts.headers),
        body: Body::Empty,
    }
}
