//! What the watch of a bucket of the directory tells, put into its mirror.

use std::sync::RwLock;

use switchboard_bus::{Entry, WatchEvent};

use super::mirror::Mirror;
use super::{Record, parse, write};
use crate::watcher::Follower;

/// Fills one mirror, and says when everything that exists is in it.
pub(super) struct Following<'a, R: Record, F> {
    mirror: &'a RwLock<Mirror<R>>,
    current: F,
}

impl<'a, R: Record, F: Fn() + Sync> Following<'a, R, F> {
    pub(super) const fn new(mirror: &'a RwLock<Mirror<R>>, current: F) -> Self {
        Self { mirror, current }
    }
}

impl<R: Record + Send, F: Fn() + Sync> Follower for Following<'_, R, F> {
    type Known = Mirror<R>;

    fn collect(&self, known: &mut Mirror<R>, event: WatchEvent) {
        apply(known, event);
    }

    fn adopt(&self, known: Mirror<R>) {
        *write(self.mirror) = known;
        (self.current)();
    }

    fn apply(&self, event: WatchEvent) {
        apply(&mut write(self.mirror), event);
    }
}

fn apply<R: Record>(mirror: &mut Mirror<R>, event: WatchEvent) {
    match event {
        WatchEvent::Put { key, entry } => match R::id_of(&key) {
            Some(id) => put(mirror, &id, &entry),
            None => tracing::warn!(%key, kind = R::WHAT, "a record has a key that is not ours"),
        },
        WatchEvent::Delete { key, revision } => {
            if let Some(id) = R::id_of(&key) {
                mirror.delete_seen(&id, revision);
            }
        }
        WatchEvent::Current => {}
    }
}

fn put<R: Record>(mirror: &mut Mirror<R>, id: &R::Id, entry: &Entry) {
    let problem = match parse::<R>(id, &entry.value) {
        Ok(record) if record.id() == id => return mirror.put_seen(record, entry.revision),
        Ok(other) => format!("it names {} instead", other.id()),
        Err(error) => error.to_string(),
    };
    // What cannot be read must not keep working in its old form.
    mirror.delete_seen(id, entry.revision);
    tracing::warn!(%id, kind = R::WHAT, problem, "a record is left alone");
}
