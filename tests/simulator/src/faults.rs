//! Faults on request: what to refuse, drop, delay, duplicate or break, for whom, and how often. It
//! decides; the core and the shell carry out.

use serde::{Deserialize, Serialize};

use crate::core::ids::DeviceId;
use crate::journal::Direction;

/// Most rules that can be active at once.
pub const RULES_MAX: usize = 1024;
/// Longest delay of a stanza, in milliseconds.
pub const DELAY_MS_MAX: u64 = 600_000;

/// Why a rule was not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too many rules are active.
    #[error("add fault: {RULES_MAX} rules are active already, delete some first")]
    TooMany,
    /// The delay is longer than allowed.
    #[error("add fault: delay of {0} ms is more than {DELAY_MS_MAX} ms")]
    Delay(u64),
    /// The rule names a number that no account has.
    #[error("add fault: no account has the number {0}")]
    Number(String),
    /// The rule names a receiver that does not exist.
    #[error("add fault: nobody is at {0}")]
    Receiver(String),
    /// A device was named without the number of its account.
    #[error("add fault: a device needs the number of its account")]
    DeviceWithoutNumber,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// New connections are refused: HTTP 503 at the upgrade, or, for a named device, a closed
    /// socket instead of `<success>`.
    #[serde(alias = "refuse_connects")]
    Refuse,
    /// New connections are told to come later: HTTP 429 at the upgrade, or, for a named device,
    /// `<stream:error code="429">` instead of `<success>`.
    TooManyRequests,
    /// Logins are answered with `<failure reason>`.
    Failure {
        /// The reason code, such as 401 or 403.
        reason: u16,
    },
    /// Stanzas are swallowed.
    Drop,
    /// Stanzas, and all behind them on the same connection, wait.
    Delay {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Stanzas are sent, or taken, twice.
    Duplicate,
    /// Messages to a device arrive with damaged ciphertexts. What phones send to their own companions
    /// alone stays whole, also under [`Fault::Withhold`].
    Garble,
    /// Messages to a device arrive without a ciphertext, as what is only for phones does.
    Withhold {
        /// Whether that is said to be because they may be looked at once only.
        #[serde(default)]
        view_once: bool,
    },
    /// Messages are refused with this code in the `error` of their ack, and reach nobody.
    Nack {
        /// The code, such as 463 or 479.
        code: u16,
    },
    /// App-state patches of a companion are refused as if another device had been faster.
    Conflict,
    /// Open sockets are closed at once, without a word.
    #[serde(alias = "disconnect_all")]
    Disconnect,
    /// Open connections get a stream error and are closed.
    StreamError {
        /// The code, such as 503 or 515.
        code: u16,
    },
    /// No fault: all rules are deleted.
    Clear,
}

impl Fault {
    /// How often a rule acts that does not say it; 0 is until the rules are deleted. Whoever refuses
    /// connections means a service that is away.
    const fn usual_count(self) -> u32 {
        match self {
            Self::Refuse => 0,
            Self::TooManyRequests
            | Self::Failure { .. }
            | Self::Drop
            | Self::Delay { .. }
            | Self::Duplicate
            | Self::Garble
            | Self::Withhold { .. }
            | Self::Nack { .. }
            | Self::Conflict
            | Self::Disconnect
            | Self::StreamError { .. }
            | Self::Clear => 1,
        }
    }
}

/// A request for faults, as the admin API takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// What goes wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Only for the account with this phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<String>,
    /// Only for this device of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<u16>,
    /// Only stanzas that go this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Only stanzas of this kind, as the journal spells it; a bare tag takes all of its kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stanza: Option<String>,
    /// For [`Fault::Nack`]: only messages to this number, group or `status@broadcast`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How many times; 0 means until the rules are deleted. Without it once, except that
    /// [`Fault::Refuse`] lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl Request {
    /// `fault` for everyone, as often as usual.
    #[must_use]
    pub const fn new(fault: Fault) -> Self {
        Self {
            fault,
            number: None,
            device: None,
            direction: None,
            stanza: None,
            to: None,
            count: None,
        }
    }
}

/// Whom a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Everyone.
    Anyone,
    /// All devices of an account.
    Account(crate::core::ids::AccountId),
    /// One device.
    Device(DeviceId),
}

impl Target {
    /// Whether `device` is meant.
    #[must_use]
    pub fn covers(self, device: Option<DeviceId>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Account(account) => device.is_some_and(|d| d.account == account),
            Self::Device(only) => device == Some(only),
        }
    }
}

#[derive(Debug)]
struct Rule {
    request: Request,
    target: Target,
    /// The key of the chat that messages go to.
    chat: Option<u64>,
    /// How often it still acts; `None` is without end.
    left: Option<u32>,
}

impl Rule {
    fn covers_stanza(&self, device: Option<DeviceId>, way: Direction, kind: &str) -> bool {
        self.target.covers(device)
            && self.request.direction.is_none_or(|d| d == way)
            && self.request.stanza.as_deref().is_none_or(|wanted| {
                kind.strip_prefix(wanted)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            })
    }
}

/// What becomes of a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// It vanishes.
    pub dropped: bool,
    /// It happens twice.
    pub twice: bool,
    /// It, and what follows it, waits this many milliseconds.
    pub delay_ms: u64,
    /// Its ciphertexts are damaged.
    pub garbled: bool,
    /// Its ciphertexts are missing; whether as those of a view-once message.
    pub withheld: Option<bool>,
}

/// What becomes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Closed.
    Refuse,
    /// Told to come later.
    TooManyRequests,
    /// Told why not.
    Failure(u16),
}

/// The active rules.
#[derive(Debug, Default)]
pub struct Plan {
    rules: Vec<Rule>,
}

impl Plan {
    /// Adds a rule.
    ///
    /// # Errors
    /// When there are too many rules or a value is out of bounds.
    pub fn add(&mut self, request: Request, target: Target) -> Result<(), Error> {
        self.add_for_chat(request, target, None)
    }

    /// Adds a rule about messages to the chat with this key.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_for_chat(
        &mut self,
        request: Request,
        target: Target,
        chat: Option<u64>,
    ) -> Result<(), Error> {
        if self.rules.len() >= RULES_MAX {
            return Err(Error::TooMany);
        }
        if let Fault::Delay { ms } = request.fault
            && ms > DELAY_MS_MAX
        {
            return Err(Error::Delay(ms));
        }
        let count = request.count.unwrap_or_else(|| request.fault.usual_count());
        let left = (count > 0).then_some(count);
        self.rules.push(Rule {
            request,
            target,
            chat,
            left,
        });
        Ok(())
    }

    /// The rules that still act.
    #[must_use]
    pub fn active(&self) -> Vec<Request> {
        self.rules
            .iter()
            .map(|r| Request {
                count: Some(r.left.unwrap_or(0)),
                ..r.request.clone()
            })
            .collect()
    }

    /// Deletes all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// Judges a socket before anyone knows whose it is.
    pub fn upgrade(&mut self) -> Option<Refusal> {
        self.refuse(|target| target == Target::Anyone, false)
    }

    /// Judges a login. `device` is absent for a pairing connection.
    pub fn login(&mut self, device: Option<DeviceId>) -> Option<Refusal> {
        self.refuse(|target| target.covers(device), true)
    }

    fn refuse(&mut self, meant: impl Fn(Target) -> bool, at_login: bool) -> Option<Refusal> {
        let mut refusal = None;
        self.take(|rule| {
            if refusal.is_some() || !meant(rule.target) {
                return false;
            }
            let general = rule.target == Target::Anyone;
            refusal = match rule.request.fault {
                Fault::Refuse if general != at_login => Some(Refusal::Refuse),
                Fault::TooManyRequests if general != at_login => Some(Refusal::TooManyRequests),
                Fault::Failure { reason } if at_login => Some(Refusal::Failure(reason)),
                Fault::Refuse
                | Fault::TooManyRequests
                | Fault::Failure { .. }
                | Fault::Drop
                | Fault::Delay { .. }
                | Fault::Duplicate
                | Fault::Garble
                | Fault::Withhold { .. }
                | Fault::Nack { .. }
                | Fault::Conflict
                | Fault::Disconnect
                | Fault::StreamError { .. }
                | Fault::Clear => None,
            };
            refusal.is_some()
        });
        refusal
    }

    /// Judges a message of `device` to the chat with this key: the code it is refused with.
    pub fn nack(&mut self, device: DeviceId, chat: Option<u64>) -> Option<u16> {
        let mut refused = None;
        self.take(|rule| {
            let Fault::Nack { code } = rule.request.fault else {
                return false;
            };
            let meant = rule.target.covers(Some(device))
                && (rule.chat.is_none() || rule.chat == chat)
                && refused.is_none();
            if meant {
                refused = Some(code);
            }
            meant
        });
        refused
    }

    /// Judges an app-state patch of `device`: whether it meets a conflict.
    pub fn conflict(&mut self, device: DeviceId) -> bool {
        let mut meets = false;
        self.take(|rule| {
            let meant = rule.request.fault == Fault::Conflict && rule.target.covers(Some(device));
            let acts = meant && !meets;
            meets |= acts;
            acts
        });
        meets
    }

    /// Judges a stanza.
    pub fn stanza(&mut self, device: Option<DeviceId>, way: Direction, kind: &str) -> Verdict {
        let mut verdict = Verdict::default();
        if self.rules.is_empty() {
            return verdict;
        }
        self.take(|rule| {
            if !rule.covers_stanza(device, way, kind) {
                return false;
            }
            match rule.request.fault {
                Fault::Drop => verdict.dropped = true,
                Fault::Duplicate => verdict.twice = true,
                Fault::Garble => verdict.garbled = true,
                Fault::Withhold { view_once } => verdict.withheld = Some(view_once),
                Fault::Delay { ms } => verdict.delay_ms = verdict.delay_ms.max(ms),
                Fault::Refuse
                | Fault::TooManyRequests
                | Fault::Failure { .. }
                | Fault::Nack { .. }
                | Fault::Conflict
                | Fault::Disconnect
                | Fault::StreamError { .. }
                | Fault::Clear => return false,
            }
            true
        });
        verdict
    }

    /// Shows each rule to `acts` and uses it up where that says it acted.
    fn take(&mut self, mut acts: impl FnMut(&Rule) -> bool) {
        self.rules.retain_mut(|rule| {
            if !acts(rule) {
                return true;
            }
            match &mut rule.left {
                None => true,
                Some(left) => {
                    *left -= 1;
                    *left > 0
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::AccountId;

    const A: DeviceId = DeviceId {
        account: AccountId(1),
        device: 1,
    };
    const B: DeviceId = DeviceId {
        account: AccountId(2),
        device: 1,
    };

    #[test]
    fn counted_targeted_and_by_kind() {
        let mut plan = Plan::default();
        let request = Request {
            stanza: Some("receipt".to_owned()),
            direction: Some(Direction::Out),
            count: Some(2),
            ..Request::new(Fault::Drop)
        };
        plan.add(request, Target::Device(A)).unwrap();
        let mut dropped = |d, way, kind| plan.stanza(Some(d), way, kind).dropped;
        assert!(!dropped(B, Direction::Out, "receipt"));
        assert!(!dropped(A, Direction::In, "receipt"));
        assert!(!dropped(A, Direction::Out, "receipts"));
        assert!(dropped(A, Direction::Out, "receipt:read"));
        assert!(dropped(A, Direction::Out, "receipt"));
        assert!(!dropped(A, Direction::Out, "receipt"));
        assert!(plan.active().is_empty());
    }

    #[test]
    fn a_named_refusal_acts_at_login_and_a_general_one_at_the_upgrade() {
        let mut plan = Plan::default();
        let once = Request {
            count: Some(1),
            ..Request::new(Fault::Refuse)
        };
        plan.add(once, Target::Account(A.account)).unwrap();
        plan.add(Request::new(Fault::TooManyRequests), Target::Anyone)
            .unwrap();
        assert_eq!(plan.login(Some(B)), None);
        assert_eq!(plan.login(Some(A)), Some(Refusal::Refuse));
        assert_eq!(plan.login(Some(A)), None);
        assert_eq!(plan.upgrade(), Some(Refusal::TooManyRequests));
        assert_eq!(plan.upgrade(), None);
    }

    #[test]
    fn a_refusal_lasts_unless_it_is_counted() {
        let mut plan = Plan::default();
        plan.add(Request::new(Fault::Refuse), Target::Anyone)
            .unwrap();
        for _ in 0..3 {
            assert_eq!(plan.upgrade(), Some(Refusal::Refuse));
        }
        plan.clear();
        assert_eq!(plan.upgrade(), None);
    }

    #[test]
    fn wire_format() {
        let json = r#"{"kind":"stream_error","code":503,"number":"4917"}"#;
        let request: Request = serde_json::from_str(json).unwrap();
        assert_eq!(request.fault, Fault::StreamError { code: 503 });
        assert_eq!(
            (request.number.as_deref(), request.count),
            (Some("4917"), None)
        );
        assert!(serde_json::from_str::<Request>(r#"{"kind":"explode"}"#).is_err());
    }
}
