//! The table: every path of the foreign API, and what becomes of a request to it.

mod endpoints;

use std::fmt;

use bytes::Bytes;
use http::Method;
use switchboard_vocab::media::{InlineBytes, MediaSource};
use switchboard_vocab::{Effect, OpError, Operation, Scope, UploadId, codec};

use crate::cx::Cx;
use crate::input::FromInput;
use crate::reply::Reply;

pub use endpoints::{DecodeBoth, EncodeBoth, EncodeTried, Page, both, either, one, paged, tried};

/// Most operations one request may become.
pub const FAN_OUT_MAX: usize = 100;

/// Most pages one listing is put together from. An owner ends a page early that would not fit into one answer.
pub const PAGES_MAX: usize = 50;

/// Why a request does not become an operation. It is shown through the dialect's own error table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject(pub OpError);

impl From<OpError> for Reject {
    fn from(error: OpError) -> Self {
        Self(error)
    }
}

/// Why a row of the table is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// WhatsApp lets no linked device do this.
    NotOnLinkedDevice,
    /// It needs the browser that this gateway does without.
    NoBrowser,
    /// It writes to a file of that system's own server.
    NoLocalFile,
    /// Offered by a later release.
    LaterRelease,
}

impl Refusal {
    /// The reason, for callers and the coverage table.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotOnLinkedDevice => "whatsapp does not let a linked device do this",
            Self::NoBrowser => {
                "this gateway runs without a browser, so there is nothing to do this with"
            }
            Self::NoLocalFile => {
                "it appends to a file on the original's own server, which a cluster has none of"
            }
            Self::LaterRelease => "this release of the gateway does not offer this operation yet",
        }
    }
}

/// Whose key a row wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A session's token, or a tenant's key together with an existing session.
    Session,
    /// A tenant's key; the session the path names, if any, need not exist.
    Tenant,
    /// No key.
    Open,
}

/// Bytes that go to the owner before the call that uses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Names the upload.
    pub id: UploadId,
    /// The bytes.
    pub bytes: Bytes,
}

/// An operation, ready for the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Its name.
    pub name: &'static str,
    /// Who executes it.
    pub scope: Scope,
    /// What it does to the world.
    pub effect: Effect,
    /// The operation in the vocabulary's encoding.
    pub body: Vec<u8>,
    /// Its media, to be uploaded first.
    pub uploads: Vec<Upload>,
}

impl Prepared {
    fn new<O: Operation>(mut operation: O, cx: &Cx) -> Result<Self, Reject> {
        let mut uploads = Vec::new();
        for source in operation.media_mut() {
            if let MediaSource::Inline(InlineBytes(bytes)) = source {
                let upload = Upload {
                    id: cx.next_upload_id(),
                    bytes: std::mem::take(bytes),
                };
                let size = u64::try_from(upload.bytes.len()).unwrap_or(u64::MAX);
                *source = MediaSource::Staged {
                    upload: upload.id.clone(),
                    size,
                };
                uploads.push(upload);
            }
        }
        Ok(Self {
            name: O::NAME,
            scope: O::SCOPE,
            effect: O::EFFECT,
            body: codec::encode(&operation)?,
            uploads,
        })
    }
}

/// What came back for one prepared operation.
pub type Answer = Result<Bytes, OpError>;

/// What came back for all operations of a fan-out, in their order.
pub type Outcomes<O> = Vec<Result<<O as Operation>::Output, OpError>>;

/// A route's two pure halves, erased.
pub trait Endpoint: Send + Sync {
    /// Request to operations.
    ///
    /// # Errors
    /// Whatever is wrong with the request.
    fn prepare(&self, cx: &Cx) -> Result<Vec<Prepared>, Reject>;

    /// Answers, in the order of the operations, to response.
    ///
    /// # Errors
    /// The error of a single operation; a fan-out shows its errors inside the response.
    fn finish(&self, answers: Vec<Answer>, cx: &Cx) -> Result<Reply, OpError>;

    /// The operation that fetches the next page of a listing, and how many entries came before it; `None` at its end, and
    /// for everything that is no listing. `last` answered the latest operation, `seen` entries came before that one.
    ///
    /// # Errors
    /// Whatever is wrong with the answer.
    fn next_page(
        &self,
        _last: &Answer,
        _seen: u64,
        _cx: &Cx,
    ) -> Result<Option<(Prepared, u64)>, Reject> {
        Ok(None)
    }

    /// The name of the operation it becomes.
    fn operation(&self) -> &'static str;
}

/// What becomes of a request.
pub enum Action {
    /// One or more operations.
    Call(Box<dyn Endpoint>),
    /// Answered by the router itself: versions, pings.
    Local(fn(&Cx) -> Result<Reply, Reject>),
    /// Refused, always, with a reason.
    Refused(Refusal),
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(endpoint) => write!(f, "Call({})", endpoint.operation()),
            Self::Local(_) => f.write_str("Local"),
            Self::Refused(refusal) => write!(f, "Refused({refusal:?})"),
        }
    }
}

/// One row.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// Whose key it wants.
    pub access: Access,
    /// What becomes of a request.
    pub action: Action,
    /// Whether the row is an alias of another one: served, but not an operation of the foreign API of its own.
    pub alias: bool,
}

/// The whole table of a dialect, in the order it was written.
#[derive(Debug)]
pub struct Routes {
    rows: Vec<Route>,
    access: Access,
    alias: bool,
}

impl Default for Routes {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            access: Access::Session,
            alias: false,
        }
    }
}

impl Routes {
    /// The rows that follow want this key (until the next call); [`Access::Session`] at first.
    #[must_use]
    pub const fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// The rows that follow are aliases (true) or operations of the foreign API (false, as at first).
    #[must_use]
    pub const fn aliases(mut self, alias: bool) -> Self {
        self.alias = alias;
        self
    }

    /// One request becomes one operation.
    #[must_use]
    pub fn op<T, O>(
        self,
        method: Method,
        path: &'static str,
        decode: fn(T, &Cx) -> Result<O, Reject>,
        encode: fn(O::Output, &Cx) -> Result<Reply, OpError>,
    ) -> Self
    where
        T: FromInput + 'static,
        O: Operation,
    {
        self.endpoint(method, path, one(decode, encode))
    }

    /// One request becomes what the endpoint says, see [`either`].
    #[must_use]
    pub fn endpoint(self, method: Method, path: &'static str, endpoint: Box<dyn Endpoint>) -> Self {
        self.row(method, path, Action::Call(endpoint))
    }

    /// One request becomes several operations of one kind, at most [`FAN_OUT_MAX`].
    #[must_use]
    pub fn each<T, O>(
        self,
        method: Method,
        path: &'static str,
        decode: fn(T, &Cx) -> Result<Vec<O>, Reject>,
        encode: fn(Outcomes<O>, &Cx) -> Result<Reply, OpError>,
    ) -> Self
    where
        T: FromInput + 'static,
        O: Operation,
    {
        self.endpoint(method, path, endpoints::each(decode, encode))
    }

    /// Answered by the router itself.
    #[must_use]
    pub fn local(
        self,
        method: Method,
        path: &'static str,
        answer: fn(&Cx) -> Result<Reply, Reject>,
    ) -> Self {
        self.row(method, path, Action::Local(answer))
    }

    /// Refused, always. Still a row: the table is the whole API.
    #[must_use]
    pub fn refused(self, method: Method, path: &'static str, refusal: Refusal) -> Self {
        self.row(method, path, Action::Refused(refusal))
    }

    /// The rows.
    #[must_use]
    pub fn into_rows(self) -> Vec<Route> {
        self.rows
    }

    fn row(mut self, method: Method, path: &'static str, action: Action) -> Self {
        let (access, alias) = (self.access, self.alias);
        self.rows.push(Route {
            method,
            path,
            access,
            action,
            alias,
        });
        self
    }
}
