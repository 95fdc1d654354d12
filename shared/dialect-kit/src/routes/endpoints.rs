//! The usual pairs of pure functions behind a row, erased: one operation, several of one kind, two, one of two.

use std::marker::PhantomData;

use switchboard_vocab::{ErrorCode, OpError, Operation, codec};

use super::{Answer, Endpoint, FAN_OUT_MAX, Outcomes, Prepared, Reject};
use crate::cx::Cx;
use crate::input::FromInput;
use crate::reply::Reply;

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

/// The outcomes of two operations to a response.
pub type EncodeTried<A, B> = fn(
    Result<<A as Operation>::Output, OpError>,
    Result<<B as Operation>::Output, OpError>,
    &Cx,
) -> Result<Reply, OpError>;

struct Tried<T, A: Operation, B: Operation> {
    decode: DecodeBoth<T, A, B>,
    encode: EncodeTried<A, B>,
    input: PhantomData<fn(T)>,
}

impl<T: FromInput, A: Operation, B: Operation> Endpoint for Tried<T, A, B> {
    fn prepare(&self, cx: &Cx) -> Result<Vec<Prepared>, Reject> {
        let (first, second) = (self.decode)(T::from_input(cx.input())?, cx)?;
        Ok(vec![Prepared::new(first, cx)?, Prepared::new(second, cx)?])
    }

    fn finish(&self, answers: Vec<Answer>, cx: &Cx) -> Result<Reply, OpError> {
        let mut answers = answers.into_iter();
        let mut next = || {
            answers
                .next()
                .unwrap_or_else(|| Err(OpError::internal("no answer")))
        };
        let (first, second) = (next(), next());
        let first = first.and_then(|bytes| codec::decode(&bytes));
        let second = second.and_then(|bytes| codec::decode(&bytes));
        (self.encode)(first, second, cx)
    }

    fn operation(&self) -> &'static str {
        B::NAME
    }
}

/// How much of a listing one answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Entries in it.
    pub entries: usize,
    /// Entries there are in all, or that are wanted at most.
    pub total: u64,
}

struct Paged<T, O: Operation> {
    decode: fn(T, u64, &Cx) -> Result<O, Reject>,
    count: fn(&O::Output, &Cx) -> Result<Page, Reject>,
    encode: fn(Vec<O::Output>, &Cx) -> Result<Reply, OpError>,
    input: PhantomData<fn(T)>,
}

impl<T: FromInput, O: Operation> Paged<T, O> {
    fn page(&self, seen: u64, cx: &Cx) -> Result<Prepared, Reject> {
        let operation = (self.decode)(T::from_input(cx.input())?, seen, cx)?;
        Prepared::new(operation, cx)
    }
}

impl<T: FromInput, O: Operation> Endpoint for Paged<T, O> {
    fn prepare(&self, cx: &Cx) -> Result<Vec<Prepared>, Reject> {
        Ok(vec![self.page(0, cx)?])
    }

    fn finish(&self, answers: Vec<Answer>, cx: &Cx) -> Result<Reply, OpError> {
        let pages = answers
            .into_iter()
            .map(|answer| codec::decode(&answer?))
            .collect::<Result<_, _>>()?;
        (self.encode)(pages, cx)
    }

    fn next_page(
        &self,
        last: &Answer,
        seen: u64,
        cx: &Cx,
    ) -> Result<Option<(Prepared, u64)>, Reject> {
        let Ok(last) = last else {
            return Ok(None);
        };
        let Page { entries, total } = (self.count)(&codec::decode(last)?, cx)?;
        let seen = seen.saturating_add(u64::try_from(entries).unwrap_or(u64::MAX));
        if entries == 0 || seen >= total {
            return Ok(None);
        }
        Ok(Some((self.page(seen, cx)?, seen)))
    }

    fn operation(&self) -> &'static str {
        O::NAME
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

    fn next_page(
        &self,
        last: &Answer,
        seen: u64,
        cx: &Cx,
    ) -> Result<Option<(Prepared, u64)>, Reject> {
        self.pick(cx)?.next_page(last, seen, cx)
    }

    fn operation(&self) -> &'static str {
        self.first.operation()
    }
}

/// What [`super::Routes::op`] makes of its two functions, for use in [`either`].
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

/// Like [`both`], for a row where the failure of one operation need not be the row's.
#[must_use]
pub fn tried<T, A, B>(decode: DecodeBoth<T, A, B>, encode: EncodeTried<A, B>) -> Box<dyn Endpoint>
where
    T: FromInput + 'static,
    A: Operation,
    B: Operation,
{
    Box::new(Tried {
        decode,
        encode,
        input: PhantomData,
    })
}

/// A whole listing for one request: pages are asked for one after the other until there are no more entries, at most
/// [`super::PAGES_MAX`]. `decode` gets how many entries came before the page it is to ask for. An entry that moved while the
/// pages were read can stand in two of them.
#[must_use]
pub fn paged<T, O>(
    decode: fn(T, u64, &Cx) -> Result<O, Reject>,
    count: fn(&O::Output, &Cx) -> Result<Page, Reject>,
    encode: fn(Vec<O::Output>, &Cx) -> Result<Reply, OpError>,
) -> Box<dyn Endpoint>
where
    T: FromInput + 'static,
    O: Operation,
{
    Box::new(Paged {
        decode,
        count,
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

/// What [`super::Routes::each`] makes of its two functions.
pub(super) fn each<T, O>(
    decode: fn(T, &Cx) -> Result<Vec<O>, Reject>,
    encode: fn(Outcomes<O>, &Cx) -> Result<Reply, OpError>,
) -> Box<dyn Endpoint>
where
    T: FromInput + 'static,
    O: Operation,
{
    Box::new(Each {
        decode,
        encode,
        input: PhantomData,
    })
}
