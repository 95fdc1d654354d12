//! The background tasks: one for timers, a few for the phones' cryptography.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::hub::Hub;
use crate::core::phones::{self, Done, Work, WorkParts};

/// Tasks that look after phones.
const PHONE_WORKERS: usize = 2;

/// Starts the background tasks; they end with the hub's `stop`.
pub(crate) fn start(hub: &Arc<Hub>) {
    hub.tasks.spawn(timers(Arc::clone(hub)));
    for _ in 0..PHONE_WORKERS {
        hub.tasks.spawn(phone_worker(Arc::clone(hub)));
    }
}

async fn timers(hub: Arc<Hub>) {
    loop {
        let next = hub.fire_timers();
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = hub.stop.cancelled() => return,
            () = hub.timers_changed.notified() => {}
            () = due => {}
        }
    }
}

async fn phone_worker(hub: Arc<Hub>) {
    loop {
        while let Some(work) = hub.phone_work() {
            do_work(&hub, work);
            tokio::task::yield_now().await;
        }
        tokio::select! {
            () = hub.stop.cancelled() => return,
            () = hub.phones_wake.notified() => {}
        }
    }
}

fn do_work(hub: &Hub, mut work: Work) {
    let done = match work.phone.lock() {
        Ok(mut phone) => {
            let media = |path: &str| hub.media.by_path(path);
            let store = |sha256: &[u8; 32], bytes| {
                let stored = hub.media.put(&URL_SAFE_NO_PAD.encode(sha256), 0, bytes);
                stored
                    .inspect_err(|e| tracing::warn!(error = %e, "file of a phone was not stored"))
                    .is_ok()
            };
            let mut parts = WorkParts {
                job: &work.job,
                answer_id: &work.answer_id,
                now_s: work.now_s,
                rng: &mut work.rng,
                media: &media,
                store: &store,
                upload_again: &|sha256| hub.media.upload_again(sha256),
                by_lid: work.by_lid,
            };
            phones::run(&mut phone, &mut parts)
        }
        Err(_) => Done::default(),
    };
    hub.phone_done(work.account, &done);
}
