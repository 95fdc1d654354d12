//! Copies of a session's files, which live beside the key store on a node's own disk.
//!
//! Owns which files go, in which order and how many at once. A file never changes under its id, so what the target has is
//! never sent again.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use switchboard_vocab::{MediaId, OpError};
use tokio::time::{Instant, timeout_at};

use super::sending::{Failure, Peer};
use super::text;
use super::wire::{Answer, Ask};

/// Ids in one question for what is missing: about 100 KB of the frame of 1 MiB.
const ASKED_MAX: usize = 2_000;
/// Bytes of one piece.
const PIECE_BYTES: u32 = 384 << 10;
/// Files of one session copied at once.
const FILES_AT_ONCE: usize = 2;
/// A copy begins anew this often, when the target has forgotten its beginning.
const COPY_ATTEMPTS_MAX: u32 = 3;

/// Bytes of files copied while the session is stopped. Files that came after [`super::Transfer::prepare`] are few.
pub(super) const SEND_BYTES_MAX: u64 = 32 << 20;
/// How long copying may take while the session is stopped.
const SEND_WAIT_MAX: Duration = Duration::from_secs(2);

/// Copies everything that is missing at the target. A file that the target does not take, or that cannot be read here, is
/// logged and left out: most can be had from WhatsApp again, and one file must not keep a session from moving.
pub(super) async fn copy_all(peer: &Peer<'_>) -> Result<(), Failure> {
    let missing = missing(peer).await?;
    let mut copies = stream::iter(missing)
        .map(|media| async move {
            // Closed never: the semaphore lives as long as the node.
            let _turn = peer.transfer.copies.acquire().await;
            (copy(peer, &media, u64::MAX).await, media)
        })
        .buffer_unordered(FILES_AT_ONCE);
    let mut left = Left::default();
    while let Some((copied, media)) = copies.next().await {
        match copied {
            Ok(_) => {}
            Err(Failure::Refused(why)) => left.add(&media, why),
            Err(failure @ (Failure::Unreachable(_) | Failure::TimedOut)) => return Err(failure),
        }
    }
    left.tell(peer);
    Ok(())
}

/// Files that stay behind, told in one line.
#[derive(Default)]
struct Left {
    count: usize,
    first: Option<(MediaId, String)>,
}

impl Left {
    fn add(&mut self, media: &MediaId, why: String) {
        self.count += 1;
        self.first.get_or_insert_with(|| (media.clone(), why));
    }

    fn tell(self, peer: &Peer<'_>) {
        if let Some((media, why)) = self.first {
            tracing::warn!(session = %peer.session, files = self.count, first = %media, why, "files were not copied");
            metrics::counter!("switchboard_transfer_files_left_total")
                .increment(u64::try_from(self.count).unwrap_or(u64::MAX));
        }
    }
}

/// Copies what is missing at the target of a stopped session, the newest first, within its limits. A file that cannot be
/// copied does not keep the session from moving: [`copy_all`] can follow.
pub(super) async fn copy_rest(peer: &Peer<'_>) -> Result<(), Failure> {
    let missing = missing(peer).await?;
    let until = peer.deadline.min(Instant::now() + SEND_WAIT_MAX);
    let mut room = SEND_BYTES_MAX;
    let mut left = Left::default();
    for media in &missing {
        if Instant::now() >= until || room == 0 {
            left.add(
                media,
                "the session is stopped and has no time for more".to_owned(),
            );
            continue;
        }
        match timeout_at(until, copy(peer, media, room)).await {
            Ok(Ok(bytes)) => room = room.saturating_sub(bytes),
            Ok(Err(Failure::Refused(why))) => left.add(media, why),
            Ok(Err(failure @ (Failure::Unreachable(_) | Failure::TimedOut))) => {
                return Err(failure);
            }
            Err(_) => left.add(media, "it was not over in time".to_owned()),
        }
    }
    left.tell(peer);
    Ok(())
}

/// What the target has not. Asks at least once, because the target may refuse the session altogether.
async fn missing(peer: &Peer<'_>) -> Result<Vec<MediaId>, Failure> {
    let stored = peer.transfer.media.stored(&peer.session).await;
    let stored = stored.map_err(|e| peer.refused(format!("the media store: {}", text(e))))?;
    let mut missing = Vec::new();
    let mut pages = stored.chunks(ASKED_MAX);
    loop {
        let page = pages.next();
        if page.is_none() && !stored.is_empty() {
            return Ok(missing);
        }
        let ask = Ask::MediaHave {
            files: page.unwrap_or_default().to_vec(),
        };
        let answer = peer.ask(ask, Bytes::new()).await?;
        let Answer::Missing { files } = answer else {
            return Err(peer.unexpected(&answer));
        };
        missing.extend(files);
        if stored.is_empty() {
            return Ok(missing);
        }
    }
}

/// Copies one file of at most `bytes_max`; gives its size, or 0 when it is gone meanwhile.
async fn copy(peer: &Peer<'_>, media: &MediaId, bytes_max: u64) -> Result<u64, Failure> {
    let store = &peer.transfer.media;
    let failed = |e: OpError| peer.refused(format!("the media store: {}", text(e)));
    let Some(meta) = store.describe(&peer.session, media).await.map_err(failed)? else {
        return Ok(0);
    };
    if meta.size > bytes_max {
        return Err(peer.refused(format!("a file of {} bytes is too large", meta.size)));
    }
    for _ in 0..COPY_ATTEMPTS_MAX {
        let mut offset = 0;
        loop {
            let piece = store.copy_out(&peer.session, media, offset, PIECE_BYTES);
            let piece = piece.await.map_err(failed)?;
            let len = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            if piece.is_empty() && meta.size > 0 {
                break;
            }
            let ask = Ask::MediaPiece {
                meta: meta.clone(),
                offset,
            };
            let answer = peer.ask(ask, piece).await?;
            let Answer::Kept { whole } = answer else {
                return Err(peer.unexpected(&answer));
            };
            if whole {
                return Ok(meta.size);
            }
            offset = offset.saturating_add(len);
            if offset >= meta.size {
                break;
            }
        }
    }
    Err(peer.refused("the target never had all of the file"))
}
