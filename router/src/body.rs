//! Reading request bodies: whole or in parts, within limits of size, time and memory.
//!
//! Owns what a body may cost before anyone understands it. Must not know what it says.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body as HttpBody;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use axum::http::{HeaderMap, Request, header};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream};
use switchboard_dialect_kit::{Body, Part};
use switchboard_vocab::{ErrorCode, OpError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Deadline;
use crate::config::Limits;
use crate::forward::RETRY_AFTER;

/// Most parts of a multipart form.
const PARTS_MAX: usize = 64;
/// Bytes that are read and thrown away so that a client can finish writing and hear the error.
const DRAIN_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long that may take.
const DRAIN_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(10);
/// Most bytes allocated on a client's word alone.
const FIRST_ALLOCATION_MAX: usize = 1024 * 1024;
/// Unit of the memory budget: one permit is this many bytes.
const BUDGET_UNIT: usize = 1024;

/// Memory for bodies, shared by all requests.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(
            (bytes / BUDGET_UNIT).min(Semaphore::MAX_PERMITS),
        )))
    }
}

/// A body that was read. The memory it takes is given back with it.
#[derive(Debug)]
pub(crate) struct Read {
    /// The body.
    pub(crate) body: Body,
    /// Its share of the budget; kept until the bytes have left.
    pub(crate) memory: Option<OwnedSemaphorePermit>,
}

/// Reads a body.
///
/// # Errors
/// `TooLarge`, `Timeout` for a client that pauses, `Unavailable` when all memory for bodies is taken, `InvalidInput`
/// for a form that cannot be read.
pub(crate) async fn read(
    limits: &Limits,
    budget: &Budget,
    headers: &HeaderMap,
    body: HttpBody,
) -> Result<Read, OpError> {
    let content_type = media_type(headers);
    let multipart = content_type == "multipart/form-data";
    let max = if multipart || is_file(&content_type) {
        limits.body_bytes
    } else {
        limits.json_bytes
    };
    let announced = announced(headers);
    if announced.is_some_and(|len| len > wide(max)) {
        refuse(headers, body).await;
        return Err(too_large(max));
    }
    let meter = Arc::new(Meter::new(limits, budget, max));
    let stream = metered(body, Arc::clone(&meter));
    let read = if multipart {
        parts(headers, stream).await.map(Body::Multipart)
    } else {
        whole(stream, announced)
            .await
            .map(|bytes| match (bytes.is_empty(), content_type) {
                (true, _) => Body::Empty,
                (false, content_type) => Body::Bytes {
                    content_type,
                    bytes,
                },
            })
    };
    // The meter knows better than the form parser why the stream broke off.
    let (failure, memory) = meter.finish();
    match (failure, read) {
        (Some(error), _) | (None, Err(error)) => Err(error),
        (None, Ok(body)) => Ok(Read { body, memory }),
    }
}

/// Reads and throws away what is left of a body that nobody wants, as far as that is cheap, so that the client can
/// finish writing and read the answer on the same connection.
pub(crate) async fn refuse(headers: &HeaderMap, body: HttpBody) {
    // A client that waits for "100 Continue" has sent nothing yet, and polling the body would ask it to.
    let waits = headers.get(header::EXPECT).is_some();
    if waits || announced(headers).is_some_and(|len| len > DRAIN_BYTES_MAX) {
        return;
    }
    drain(&mut body.into_data_stream()).await;
}

async fn drain<E>(stream: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) {
    let deadline = Deadline::after(DRAIN_TIME_MAX);
    let mut drained = 0u64;
    while drained <= DRAIN_BYTES_MAX {
        match tokio::time::timeout(deadline.left(), stream.next()).await {
            Ok(Some(Ok(bytes))) => drained = drained.saturating_add(wide(bytes.len())),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

/// The `Content-Type` without its parameters, lower-cased; empty when there is none.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = value
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

/// Whether a body of this type is a file: pictures, sound, films and anonymous bytes, but not text, JSON or forms.
fn is_file(content_type: &str) -> bool {
    let structured = ["application/json", "application/x-www-form-urlencoded"]
        .contains(&content_type)
        || content_type.ends_with("+json");
    !content_type.is_empty() && !content_type.starts_with("text/") && !structured
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Counts a body while it streams, and remembers why it was broken off.
#[derive(Debug)]
struct Meter {
    max: usize,
    idle: std::time::Duration,
    deadline: Deadline,
    budget: Budget,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    read: usize,
    paid: usize,
    memory: Option<OwnedSemaphorePermit>,
    failure: Option<OpError>,
}

impl Meter {
    fn new(limits: &Limits, budget: &Budget, max: usize) -> Self {
        Self {
            max,
            idle: limits.idle_timeout,
            deadline: Deadline::after(limits.body_read_timeout),
            budget: budget.clone(),
            state: Mutex::default(),
        }
    }

    /// Counts `len` more bytes.
    fn take(&self, len: usize) -> Result<(), OpError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.read = state.read.saturating_add(len);
        if state.read > self.max {
            return Err(too_large(self.max));
        }
        let due = state.read.div_ceil(BUDGET_UNIT).saturating_sub(state.paid);
        let units = u32::try_from(due).unwrap_or(u32::MAX);
        let Ok(more) = Arc::clone(&self.budget.0).try_acquire_many_owned(units) else {
            let words = "the gateway holds as many request bodies as it can; try again";
            return Err(OpError::new(ErrorCode::Unavailable, words).retry_after(RETRY_AFTER));
        };
        state.paid = state.paid.saturating_add(due);
        match &mut state.memory {
            Some(memory) => memory.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    fn fail(&self, error: OpError) -> std::io::Error {
        let text = error.public.clone();
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failure
            .get_or_insert(error);
        std::io::Error::other(text)
    }

    fn finish(&self) -> (Option<OpError>, Option<OwnedSemaphorePermit>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.failure.take(), state.memory.take())
    }
}

type Metered = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send>>;

/// The body's bytes, counted; ends with an error at the first limit that is hit.
fn metered(body: HttpBody, meter: Arc<Meter>) -> Metered {
    let source = Some((body.into_data_stream(), meter));
    Box::pin(stream::unfold(source, |source| async move {
        let (mut body, meter) = source?;
        let wait = meter.idle.min(meter.deadline.left());
        let error = match tokio::time::timeout(wait, body.next()).await {
            Ok(None) => return None,
            Ok(Some(Ok(bytes))) => match meter.take(bytes.len()) {
                Ok(()) => return Some((Ok(bytes), Some((body, meter)))),
                Err(error) => {
                    drain(&mut body).await;
                    error
                }
            },
            Ok(Some(Err(cause))) => OpError::invalid("the body ended before it was complete")
                .with_internal(cause.to_string()),
            Err(_) => OpError::new(ErrorCode::Timeout, "the body took too long to arrive"),
        };
        Some((Err(meter.fail(error)), None))
    }))
}

async fn whole(mut body: Metered, announced: Option<u64>) -> Result<Bytes, OpError> {
    let expected = announced
        .and_then(|len| usize::try_from(len).ok())
        .unwrap_or(0);
    let mut bytes = BytesMut::with_capacity(expected.min(FIRST_ALLOCATION_MAX));
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(|cause| broken(&cause))?);
    }
    Ok(bytes.freeze())
}

async fn parts(headers: &HeaderMap, body: Metered) -> Result<Vec<Part>, OpError> {
    let malformed = |cause: &dyn std::fmt::Display| {
        OpError::invalid(format!("the multipart form is not valid: {cause}"))
    };
    let mut request = Request::new(HttpBody::from_stream(body));
    if let Some(value) = headers.get(header::CONTENT_TYPE) {
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, value.clone());
    }
    // The meter has a limit of its own.
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|e| malformed(&e.body_text()))?;
    let mut parts = Vec::new();
    while let Some(field) = form
        .next_field()
        .await
        .map_err(|e| malformed(&e.body_text()))?
    {
        if parts.len() >= PARTS_MAX {
            let words = format!("a multipart form has at most {PARTS_MAX} parts");
            return Err(OpError::new(ErrorCode::TooLarge, words));
        }
        parts.push(Part {
            name: field.name().unwrap_or_default().to_owned(),
            file_name: field.file_name().map(str::to_owned),
            content_type: field.content_type().map(str::to_owned),
            bytes: field.bytes().await.map_err(|e| malformed(&e.body_text()))?,
        });
    }
    Ok(parts)
}

fn broken(cause: &std::io::Error) -> OpError {
    OpError::invalid("the body cannot be read").with_internal(cause.to_string())
}

fn too_large(max: usize) -> OpError {
    OpError::new(
        ErrorCode::TooLarge,
        format!("the body is over the limit of {max} bytes"),
    )
}

fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
