//! What is needed to read later answers to a poll or event: its secret, and the options by name.
//!
//! Ours, not the library's: it keeps secrets, but not what was asked, and it writes them behind the messages.

use serde::{Deserialize, Serialize};
use switchboard_keystore::Op;
use wacore::store::error::{Result, StoreError};

use super::{Backend, EXPIRED_ROWS_MAX, keys, kinds, rows};

/// How long answers are waited for, in seconds. Source: whatsapp-rust 0.7.0 keeps the secrets of polls for 90 days.
const KEPT_FOR_SECS: u64 = 90 * 24 * 3_600;

const WHAT: &str = "poll";

/// A poll or event as far as its answers need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ballot {
    /// The secret of the message.
    pub(crate) secret: Vec<u8>,
    /// The options of a poll; none for an event.
    pub(crate) options: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct BallotRow {
    secret: Vec<u8>,
    options: Vec<String>,
    expires_at: u64,
}

impl Backend {
    /// Keeps what answers to a message of `author` need; `at` is when it was written, in seconds, and `now` the time.
    pub(crate) async fn keep_ballot(
        &self,
        id: &str,
        author: &str,
        ballot: Ballot,
        (at, now): (u64, u64),
    ) -> Result<()> {
        let expires_at = at.min(now).saturating_add(KEPT_FOR_SECS);
        if expires_at <= now {
            return Ok(());
        }
        let key = keys::tuple(&[id.as_bytes(), author.as_bytes()]);
        if self.get(kinds::BALLOT, &key).await?.is_some() {
            return Ok(());
        }
        let row = rows::encode(&BallotRow {
            secret: ballot.secret,
            options: ballot.options,
            expires_at,
        })?;
        let index = keys::timed(i64::try_from(expires_at).unwrap_or(i64::MAX), &key);
        self.commit(vec![
            Op::Put {
                kind: kinds::BALLOT_BY_EXPIRY,
                key: index,
                value: Vec::new(),
            },
            Op::Put {
                kind: kinds::BALLOT,
                key,
                value: row,
            },
        ])
        .await
    }

    /// What answers to a message of `author` need.
    pub(crate) async fn ballot(&self, id: &str, author: &str) -> Result<Option<Ballot>> {
        let key = keys::tuple(&[id.as_bytes(), author.as_bytes()]);
        let row = self.get(kinds::BALLOT, &key).await?;
        let row = row
            .map(|row| rows::decode::<BallotRow>(&row, WHAT))
            .transpose()?;
        Ok(row.map(|row| Ballot {
            secret: row.secret,
            options: row.options,
        }))
    }

    /// Removes what no answer is waited for any more.
    pub(super) async fn expire_ballots(&self, cutoff: u64) -> Result<()> {
        let mut ops = Vec::new();
        self.walk(kinds::BALLOT_BY_EXPIRY, b"", &mut |key, _| {
            let (expires_at, ballot) = keys::split_timed(&key).ok_or_else(|| {
                StoreError::Validation("read expiry index of polls: key too short".to_owned())
            })?;
            if expires_at > cutoff {
                return Ok(false);
            }
            ops.push(Op::Delete {
                kind: kinds::BALLOT,
                key: ballot.to_vec(),
            });
            ops.push(Op::Delete {
                kind: kinds::BALLOT_BY_EXPIRY,
                key,
            });
            Ok(ops.len() < 2 * EXPIRED_ROWS_MAX)
        })
        .await?;
        self.commit(ops).await
    }
}
