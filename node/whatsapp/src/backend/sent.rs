//! Sent messages, kept for a while so that a recipient who could not read one gets it again.

use switchboard_keystore::Op;
use wacore::store::error::{Result, StoreError};

use super::{Backend, EXPIRED_ROWS_MAX, keys, kinds};
use crate::clock;

impl Backend {
    pub(super) async fn put_sent(&self, chat: &str, id: &str, payload: &[u8]) -> Result<()> {
        let at = clock::now_secs();
        let key = keys::tuple(&[chat.as_bytes(), id.as_bytes()]);
        // The row's own time stands first: an older index entry of the same message then expires without the row.
        let value = keys::timed(at, payload);
        self.put_later(vec![
            (kinds::SENT_BY_TIME, keys::timed(at, &key), Vec::new()),
            (kinds::SENT_MESSAGE, key, value),
        ])
        .await
    }

    pub(super) async fn take_sent(&self, chat: &str, id: &str) -> Result<Option<Vec<u8>>> {
        let _order = self.locks.sent.lock().await;
        let key = keys::tuple(&[chat.as_bytes(), id.as_bytes()]);
        let Some(row) = self.get(kinds::SENT_MESSAGE, &key).await? else {
            return Ok(None);
        };
        let (at, payload) = split(&row)?;
        let payload = payload.to_vec();
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        self.commit(vec![
            Op::Delete {
                kind: kinds::SENT_BY_TIME,
                key: keys::timed(at, &key),
            },
            Op::Delete {
                kind: kinds::SENT_MESSAGE,
                key,
            },
        ])
        .await?;
        Ok(Some(payload))
    }

    pub(super) async fn expire_sent(&self, cutoff: i64) -> Result<u32> {
        self.write_riders().await?;
        let _order = self.locks.sent.lock().await;
        let cutoff = u64::try_from(cutoff).unwrap_or(0);
        let mut due = Vec::new();
        self.walk(kinds::SENT_BY_TIME, b"", &mut |key, _| {
            let (at, message) = split(&key)?;
            if at >= cutoff {
                return Ok(false);
            }
            due.push((at, message.to_vec(), key.clone()));
            Ok(due.len() < EXPIRED_ROWS_MAX)
        })
        .await?;
        let messages: Vec<Vec<u8>> = due.iter().map(|(_, message, _)| message.clone()).collect();
        let rows = self.get_all(kinds::SENT_MESSAGE, &messages).await?;
        let mut ops = Vec::new();
        let mut count = 0;
        for ((at, message, key), row) in due.into_iter().zip(rows) {
            ops.push(Op::Delete {
                kind: kinds::SENT_BY_TIME,
                key,
            });
            if row.is_some_and(|row| split(&row).is_ok_and(|(stored, _)| stored == at)) {
                ops.push(Op::Delete {
                    kind: kinds::SENT_MESSAGE,
                    key: message,
                });
                count += 1;
            }
        }
        self.commit(ops).await?;
        Ok(count)
    }
}

fn split(timed: &[u8]) -> Result<(u64, &[u8])> {
    keys::split_timed(timed)
        .ok_or_else(|| StoreError::Validation("read sent message: the row is too short".to_owned()))
}
