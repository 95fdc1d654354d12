//! The table: every path of the foreign API, and what becomes of a request to it.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use http::Method;
use switchboard_vocab::media::{InlineBytes, MediaSource};
use switchboard_vocab::{Effect, ErrorCode, OpError, Operation, Scope, UploadId, codec};

use crate::cx::Cx;
use crate::input::FromInput;
use crate::reply::Reply;

/// Most operations one request may become.
pub const FAN_OUT_MAX: usize = 100;

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

struct One<T, O: Operation> {
    decode: fn(T, &Cx) -> Result<O, Reject>,
    encode: fn(O::Output, &Cx) -> Result<Reply, OpError>,
    input: PhantomData<fn(T)>,
}

impl<T: FromInput, O: Operation> Endpoint for One<T, O> {
    fn prepare(&self, cx: &Cx) -> Result<Vec<Prepared>, Reject> {
        let operation = (self.decode)(T::from_input(cx.input())?, cx)?;
        Ok(vec![Prepared::new(operation, cx)?])
    }

    fn finish(&self, answers: Vec<Answer>, cx: &Cx) -> Result<Reply, OpError> {
        let answer = answers
            .into_iter()
            .next()
            .ok_or_else(|| OpError::internal("no answer"))?;
        (self.encode)(codec::decode(&answer?)?, cx)
    }

    fn operation(&self) -> &'static str {
        O::NAME
    }
}

struct Each<T, O: Operation> {
    decode: fn(T, &Cx) -> Result<Vec<O>, Reject>,
    encode: fn(Outcomes<O>, &Cx) -> Result<Reply, OpError>,
    input: PhantomData<fn(T)>,
}

impl<T: FromInput, O: Operation> Endpoint for Each<T, O> {
    fn prepare(&self, cx: &Cx) -> Result<Vec<Prepared>, Reject> {
        let operations = (self.decode)(T::from_input(cx.input())?, cx)?;
        if operations.len() > FAN_OUT_MAX {
            let message = format!("at most {FAN_OUT_MAX} recipients per call are allowed");
            return Err(OpError::new(ErrorCode::TooLarge, message).into());
        }
        operations
            .into_iter()
            .map(|operation| Prepared::new(operation, cx))
            .collect()
    }

    fn finish(&self, answers: Vec<Answer>, cx: &Cx) -> Result<Reply, OpError> {
        let outputs = answers
            .into_iter()
            .map(|answer| codec::decode(&answer?))
            .collect();
        (self.encode)(outputs, cx)
    }

    fn operation(&self) -> &'static str {
        O::NAME
    }
}

/// Request to two operations.
pub type DecodeBoth<T, A, B> = fn(T, &Cx) -> Result<(A, B), Reject>;
/// Two outputs to a response.
pub type EncodeBoth<A, B> =
    fn(<A as Operation>::Output, <B as Operation>::Output, &Cx) -> Result<Reply, OpError>;

struct Both<T, A: Operation, B: Operation> {
    decode: DecodeBoth<T, A, B>,
    encode: EncodeBoth<A, B>,
    input: PhantomData<fn(T)>,
}

impl<T: FromInput, A: Operation, B: Operation> Endpoint for Both<T, A, B> {
    fn prepare(&self, cx: &Cx) -> Result<Vec<Prepared>, Reject> {
        let (first, second) = (self.decode)(T::from_input(cx.input())?, cx)?;
        Ok(vec![Prepared::new(first, cx)?, Prepared::new(second, cx)?])
    }

    fn finish(&self, answers: Vec<Answer>, cx: &Cx) -> Result<Reply, OpError> {
        let mut answers = answers.into_iter();
        let mut next = || answers.next().ok_or_else(|| OpError::internal("no answer"));
        let (first, second) = (next()??, next()??);
        (self.encode)(codec::decode(&first)?, codec::decode(&second)?, cx)
    }

    fn operation(&self) -> &'static str {
        B::NAME
    }
}

struct Either {
    is_first: fn(&Cx) -> Result<bool, Reject>,
    first: Box<dyn Endpoint>,
    second: Box<dyn Endpoint>,
}

impl Either {
    fn pick(&self, cx: &Cx) -> Result<&dyn Endpoint, Reject> {
        Ok(if (self.is_first)(cx)? {
            self.first.as_ref()
        } else {
            self.second.as_ref()
        })
    }
}

impl Endpoint for Either {
    fn prepare(&self, cx: &Cx) -> Result<Vec<Prepared>, Reject> {
        self.pick(cx)?.prepare(cx)
    }

    fn finish(&self, answers: Vec<Answer>, cx: &Cx) -> Result<Reply, OpError> {
        self.pick(cx)
            .map_err(|reject| reject.0)?
            .finish(answers, cx)
    }

    fn operation(&self) -> &'static str {
        self.first.operation()
    }
}

/// What [`Routes::op`] makes of its two functions, for use in [`either`].
#[must_use]
pub fn one<T, O>(
    decode: fn(T, &Cx) -> Result<O, Reject>,
    encode: fn(O::Output, &Cx) -> Result<Reply, OpError>,
) -> Box<dyn Endpoint>
where
    T: FromInput + 'static,
    O: Operation,
{
    Box::new(One {
        decode,
        encode,
        input: PhantomData,
    })
}

/// Two operations that do not need each other's result, for one request: `B` names the row. They may run at the same
/// time; the error of the first one that failed is the row's.
#[must_use]
pub fn both<T, A, B>(decode: DecodeBoth<T, A, B>, encode: EncodeBoth<A, B>) -> Box<dyn Endpoint>
where
    T: FromInput + 'static,
    A: Operation,
    B: Operation,
{
    Box::new(Both {
        decode,
        encode,
        input: PhantomData,
    })
}

/// Two operations behind one row: a field of the request says which. `is_first` looks at the request only, so that it
/// says the same before and after the call.
#[must_use]
pub fn either(
    is_first: fn(&Cx) -> Result<bool, Reject>,
    first: Box<dyn Endpoint>,
    second: Box<dyn Endpoint>,
) -> Box<dyn Endpoint> {
    Box::new(Either {
        is_first,
        first,
        second,
    })
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
        let endpoint = Each {
            decode,
            encode,
            input: PhantomData,
        };
        self.row(method, path, Action::Call(Box::new(endpoint)))
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
