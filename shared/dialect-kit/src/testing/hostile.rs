//! Hostile requests: good ones of every row, spoilt in all places and in many ways. Whatever comes, a dialect decides without
//! a panic, refuses as the caller's mistake in its own form of error, and hands over nothing that the other side of the bus
//! cannot read.
//!
//! The spoilt requests follow from the good ones and a seed: a failure comes again. What a good request leaves out is not
//! spoilt, so a list of them should have every field.

mod spoil;
mod wire;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha12Rng;
pub use serde_json::Value;
use switchboard_vocab::{ErrorCode, OpError, Operation, codec};

use super::{env, params, request, samples};
use crate::cx::Cx;
use crate::dialect::Dialect;
use crate::input::Input;
use crate::reply::{Reply, ReplyBody};
use crate::routes::{Action, FAN_OUT_MAX, Prepared, Route};

/// Requests that are spoilt in two places, per good request.
const PAIRS: usize = 24;
/// Longest error, in bytes: what a caller sent is not sent back whole.
const ERROR_LEN_MAX: usize = 8_000;
/// Failures listed, the rest is counted.
const SHOWN_MAX: usize = 20;

/// Whether a status and a JSON body are an error of that system.
pub type Fits = fn(u16, &Value) -> bool;

/// The test of a dialect: its good requests, one per line, spoilt; every error is one that fits.
#[macro_export]
macro_rules! hostile_test {
    ($dialect:path, $good:expr, $fits:expr) => {
        #[test]
        fn whatever_comes_is_decided_in_the_systems_own_words() {
            $crate::testing::hostile::check_all(&$dialect(), $good, $fits);
        }
    };
}

/// A request as it goes over a wire.
#[derive(Debug, Clone)]
pub struct Wire {
    /// The method.
    pub method: Method,
    /// Path and query, encoded.
    pub target: String,
    /// The type of the body, if there is one.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// Spoils each of the good requests in `each` ways that the seed decides, to be sent to a gateway.
///
/// # Panics
/// When a line of the good requests is not one.
#[must_use]
pub fn chosen(dialect: &Dialect, good: &str, each: usize, seed: u64) -> Vec<Wire> {
    let rows = (dialect.routes)().into_rows();
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut wires = Vec::new();
    for line in lines(good) {
        let (row, input) = read(&rows, line);
        wires.push(wire::of(row.path, &input));
        for _ in 0..each {
            wires.push(wire::of(row.path, &spoilt_once(&input, &mut random)));
        }
    }
    wires
}

fn lines(good: &str) -> impl Iterator<Item = &str> {
    let lines = good.lines().filter(|line| !line.starts_with('#'));
    lines.filter(|line| !line.is_empty())
}

/// Spoils the good requests of a dialect, one per line: `METHOD target` and perhaps a JSON body, or `=name` for a form with
/// a file of that name.
///
/// # Panics
/// When an answer is not as the module says, a good request is refused, or a row that is offered has none.
#[expect(clippy::panic, reason = "test code: this is the assertion")]
pub fn check_all(dialect: &Dialect, good: &str, fits: Fits) {
    let rows = (dialect.routes)().into_rows();
    let mut check = Check {
        dialect,
        fits,
        failures: Vec::new(),
        tried: 0,
    };
    let mut covered = BTreeSet::new();
    for (at, line) in lines(good).enumerate() {
        let (row, input) = read(&rows, line);
        covered.insert(key(row));
        check.good(row, &input, line);
        check.errors(row, &input, line);
        for place in spoil::places(&input) {
            for value in spoil::values(&place) {
                check.spoilt(row, &spoil::spoil(&input, &place, value), line);
            }
        }
        let mut random = ChaCha12Rng::seed_from_u64(u64::try_from(at).unwrap_or(0));
        for _ in 0..PAIRS {
            let spoilt = pair(&input, &mut random);
            check.spoilt(row, &spoilt, line);
        }
    }
    for row in &rows {
        let offered = !matches!(row.action, Action::Refused(_));
        if offered && !row.alias && !covered.contains(&key(row)) {
            check
                .failures
                .push(format!("{}: no good request", key(row)));
        }
    }
    let Check {
        failures, tried, ..
    } = check;
    if !failures.is_empty() {
        let shown: Vec<_> = failures
            .iter()
            .take(SHOWN_MAX)
            .map(String::as_str)
            .collect();
        let (count, text) = (failures.len(), shown.join("\n"));
        panic!("{count} of {tried} requests are not answered as they should:\n{text}");
    }
    println!("{tried} spoilt requests");
}

fn key(row: &Route) -> String {
    format!("{} {}", row.method, row.path)
}

/// The row and input of a line.
#[expect(clippy::panic, reason = "test code: a bad line should stop the test")]
fn read<'a>(rows: &'a [Route], line: &str) -> (&'a Route, Input) {
    let mut words = line.splitn(3, ' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        panic!("{line}: a method and a target are expected");
    };
    let method: Method = method
        .parse()
        .unwrap_or_else(|_| panic!("{line}: no method"));
    let mut request = request(method, target);
    if let Some(body) = words.next() {
        request = match body.strip_prefix('=') {
            Some(part) => request.file(part, "a.png", "image/png", b"\x89PNG"),
            None => request.json(body),
        };
    }
    let mut input = request.0;
    let segments: Vec<&str> = input.path.split('/').collect();
    let fits = |row: &&Route| row.method == input.method && params(row.path, &segments).is_some();
    let row = rows
        .iter()
        .filter(fits)
        .min_by_key(|row| row.path.matches('{').count())
        .unwrap_or_else(|| panic!("{line}: no row"));
    let found = params(row.path, &segments).unwrap_or_default();
    input.params = found.into_iter().collect();
    (row, input)
}

/// The request spoilt in two places; the second may be inside the first, or gone with it.
fn pair(input: &Input, random: &mut ChaCha12Rng) -> Input {
    let spoilt = spoilt_once(input, random);
    spoilt_once(&spoilt, random)
}

fn spoilt_once(input: &Input, random: &mut ChaCha12Rng) -> Input {
    let places = spoil::places(input);
    // There is always a place, the body as a whole, and always a value.
    let place = places.choose(random);
    let value = place.and_then(|place| spoil::values(place).choose(random));
    match (place, value) {
        (Some(place), Some(value)) => spoil::spoil(input, place, value),
        _ => input.clone(),
    }
}

struct Check<'a> {
    dialect: &'a Dialect,
    fits: Fits,
    failures: Vec<String>,
    tried: usize,
}

/// What a row makes of a request.
enum Decided {
    Operations(Vec<Prepared>),
    Answer,
    Refused(OpError),
}

impl Check<'_> {
    /// A good request is accepted.
    fn good(&mut self, row: &Route, input: &Input, line: &str) {
        if let Ok(Decided::Refused(error)) = decide(row, &cx(input)) {
            self.failures
                .push(format!("{line}: refused: {}", error.public));
        }
    }

    /// Every error of the owner is shown in the system's form.
    fn errors(&mut self, row: &Route, input: &Input, line: &str) {
        let cx = cx(input);
        let Action::Call(endpoint) = &row.action else {
            return;
        };
        for code in ErrorCode::ALL {
            let count = endpoint.prepare(&cx).map_or(0, |prepared| prepared.len());
            let answers = vec![Err(OpError::new(code, "what was wrong")); count];
            // Several operations may show their errors inside an answer of their own, and so may single ones of some systems.
            if let Err(error) = endpoint.finish(answers, &cx) {
                let reply = (self.dialect.error)(&error, &cx);
                let wrong = self.in_form(&reply).err();
                self.failures
                    .extend(wrong.map(|wrong| format!("{line}: {code:?}: {wrong}")));
            }
        }
    }

    /// A spoilt request is accepted or refused, and nothing else.
    fn spoilt(&mut self, row: &Route, input: &Input, line: &str) {
        self.tried += 1;
        if let Err(wrong) = self.judged(row, input) {
            let spoilt = spoil::shown(input);
            self.failures.push(format!("{wrong}\n  {line}\n  {spoilt}"));
        }
    }

    fn judged(&self, row: &Route, input: &Input) -> Result<(), String> {
        let cx = cx(input);
        let decided = catch_unwind(AssertUnwindSafe(|| decide(row, &cx)));
        let decided = decided.map_err(|_| "a panic".to_owned())??;
        match decided {
            Decided::Answer => Ok(()),
            Decided::Operations(prepared) => {
                if prepared.is_empty() || prepared.len() > FAN_OUT_MAX {
                    return Err(format!("it becomes {} operations", prepared.len()));
                }
                prepared.iter().try_for_each(readable)
            }
            Decided::Refused(error) => {
                let reply = (self.dialect.error)(&error, &cx);
                let status = reply.status.as_u16();
                let possible = status < 500 || (status == 501 && error.code == ErrorCode::Refused);
                if !possible || error.internal.is_some() {
                    return Err(format!("status {status} for {error:?}"));
                }
                if error.public.trim().is_empty() {
                    return Err("the error says nothing".to_owned());
                }
                self.in_form(&reply)
            }
        }
    }

    fn in_form(&self, reply: &Reply) -> Result<(), String> {
        let ReplyBody::Json(body) = &reply.body else {
            return Err(format!("the error is no json: {reply:?}"));
        };
        if body.len() > ERROR_LEN_MAX {
            return Err(format!("the error has {} bytes", body.len()));
        }
        let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let status = reply.status.as_u16();
        (self.fits)(status, &value)
            .then_some(())
            .ok_or_else(|| format!("{status} in no form of this system: {value}"))
    }
}

fn decide(row: &Route, cx: &Cx) -> Result<Decided, String> {
    Ok(match &row.action {
        Action::Refused(refusal) => {
            return Err(format!("a refused row: {}", refusal.reason()));
        }
        Action::Local(answer) => match answer(cx) {
            Ok(_) => Decided::Answer,
            Err(reject) => Decided::Refused(reject.0),
        },
        Action::Call(endpoint) => match endpoint.prepare(cx) {
            Ok(prepared) => Decided::Operations(prepared),
            Err(reject) => Decided::Refused(reject.0),
        },
    })
}

/// Whether the owner can read the operation: one it cannot would be a fault of the server.
fn readable(prepared: &Prepared) -> Result<(), String> {
    macro_rules! read {
        ($($op:path),* $(,)?) => {
            match prepared.name {
                $(<$op as Operation>::NAME => {
                    codec::decode::<$op>(&prepared.body).map(drop)
                })*
                name => return Err(format!("{name} is not in the catalog")),
            }
        };
    }
    let session = switchboard_vocab::catalog::SESSION_OPERATIONS.contains(&prepared.name);
    let read = if session {
        switchboard_vocab::for_each_session_operation!(read)
    } else {
        switchboard_vocab::for_each_cluster_operation!(read)
    };
    read.map_err(|error| format!("its owner cannot read {}: {error:?}", prepared.name))
}

fn cx(input: &Input) -> Cx {
    Cx::new(
        Arc::new(input.clone()),
        Some(samples::session()),
        Some("token-of-the-session".to_owned()),
        samples::now(),
        Arc::new(env()),
        super::SEED,
    )
}
