//! Operations with their media: the bytes go to the owner first, in chunks, then the call that uses them.
//!
//! Owns the order of the two: an upload lies on one node, so a call that has to go to another node takes its upload along.
//! The bytes stay in memory until the call has ended; [`crate::Limits::bodies_bytes`] bounds them. Must not know what they are.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use switchboard_dialect_kit::{Prepared, Upload};
use switchboard_vocab::envelope::{CHUNK_LEN_MAX, Verb};
use switchboard_vocab::{NodeId, OpError, SessionRef};

use crate::follow::Work;
use crate::forward::{Asked, Done, Forward, Ticket};

/// Chunks of one upload on their way at once.
const CHUNKS_PARALLEL_MAX: usize = 4;
/// Uploads the media of some work to one node, then has the node do the work. Nothing is known of what another node was
/// given before: an upload that a former owner has is of no use to the next.
///
/// # Errors
/// What the node answered, or what the failure of the bus means where asking again would not help.
pub(crate) async fn attempt(
    forward: &Forward,
    node: &NodeId,
    session: &SessionRef,
    work: &Work<'_>,
    ticket: &Ticket,
) -> Result<Asked, OpError> {
    if let Some(undone) = stage(forward, node, session, work.uploads, ticket).await? {
        return Ok(undone);
    }
    let none = Bytes::new();
    forward
        .ask(node, session, &work.verb, &work.body, &none, ticket)
        .await
}

/// Runs a prepared operation at the owner of the session, its media first.
///
/// # Errors
/// What the node answered, or what the failure of the bus means.
pub(crate) async fn run(
    forward: &Forward,
    session: &SessionRef,
    prepared: &Prepared,
    ticket: &Ticket,
) -> Result<Bytes, OpError> {
    let verb = Verb::Run {
        name: prepared.name.to_owned(),
    };
    let work = Work {
        verb,
        body: Bytes::copy_from_slice(&prepared.body),
        uploads: &prepared.uploads,
    };
    let Done { body, .. } = forward.carry(session, &work, ticket).await?;
    Ok(body)
}

/// Uploads to one node. `Some` when the node is not the owner or cannot be reached.
async fn stage(
    forward: &Forward,
    node: &NodeId,
    session: &SessionRef,
    uploads: &[Upload],
    ticket: &Ticket,
) -> Result<Option<Asked>, OpError> {
    for upload in uploads {
        let mut chunks = stream::iter(chunks(upload))
            .map(|(verb, blob)| async move {
                forward
                    .ask(node, session, &verb, &Bytes::new(), &blob, ticket)
                    .await
            })
            .buffer_unordered(CHUNKS_PARALLEL_MAX);
        while let Some(asked) = chunks.try_next().await.map_err(not_executed)? {
            match asked {
                Asked::Done(_) => {}
                Asked::Lost(error) => return Ok(Some(Asked::Unreached(not_executed(error)))),
                undone @ (Asked::NotOwner(_) | Asked::Unreached(_)) => return Ok(Some(undone)),
            }
        }
    }
    Ok(None)
}

/// The chunks of an upload; an empty one is one empty chunk, so that the owner knows of it.
fn chunks(upload: &Upload) -> Vec<(Verb, Bytes)> {
    let total = upload.bytes.len();
    let wide = |at: usize| u64::try_from(at).unwrap_or(u64::MAX);
    let starts = (0..total.max(1)).step_by(CHUNK_LEN_MAX);
    starts
        .map(|at| {
            let verb = Verb::Stage {
                upload: upload.id.clone(),
                offset: wide(at),
                total: wide(total),
            };
            (verb, upload.bytes.slice(at..total.min(at + CHUNK_LEN_MAX)))
        })
        .collect()
}

/// Staged bytes alone have no effect, whatever became of the chunk.
fn not_executed(mut error: OpError) -> OpError {
    error.outcome = switchboard_vocab::Outcome::NotExecuted;
    error
}

#[cfg(test)]
mod tests {
    use switchboard_vocab::UploadId;

    use super::*;

    fn check(len: usize, expected: &[(u64, usize)]) {
        let id = UploadId::parse("u").unwrap();
        let all = chunks(&Upload {
            id,
            bytes: Bytes::from(vec![7; len]),
        });
        let found: Vec<_> = all
            .iter()
            .map(|(verb, blob)| match verb {
                Verb::Stage { offset, total, .. } => {
                    assert_eq!(*total, len as u64);
                    (*offset, blob.len())
                }
                Verb::Run { .. } | Verb::ReadMedia { .. } => panic!("not a stage"),
            })
            .collect();
        assert_eq!(found, expected, "{len} bytes");
    }

    #[test]
    fn uploads_are_cut_at_the_chunk_length() {
        let whole = CHUNK_LEN_MAX;
        check(0, &[(0, 0)]);
        check(1, &[(0, 1)]);
        check(whole, &[(0, whole)]);
        check(whole + 1, &[(0, whole), (whole as u64, 1)]);
    }
}
