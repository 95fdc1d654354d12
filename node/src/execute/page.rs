//! Pages that fit into one answer.

use serde::Serialize;
use switchboard_vocab::OpError;

/// Most bytes of one listing, so that its answer fits into one message of the bus (1 MiB by default). A page that
/// would be larger ends early; its total says that there is more.
const LIST_BYTES_MAX: usize = 768 * 1024;

/// Cuts a page to what fits into one answer; one entry always stays: its parts are limited.
pub(super) fn fit<T: Serialize>(entries: &mut Vec<T>) -> Result<(), OpError> {
    let mut room = LIST_BYTES_MAX;
    let mut fitting = 0;
    for entry in &*entries {
        let len = switchboard_vocab::codec::encode(entry)?.len();
        let Some(left) = room.checked_sub(len) else {
            break;
        };
        room = left;
        fitting += 1;
    }
    entries.truncate(fitting.max(1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_too_large_ends_early() {
        let mut entries = vec!["x".repeat(LIST_BYTES_MAX / 4); 10];
        fit(&mut entries).unwrap();
        assert_eq!(entries.len(), 3);
        let mut entries = vec!["x".repeat(LIST_BYTES_MAX * 2)];
        fit(&mut entries).unwrap();
        assert_eq!(entries.len(), 1);
    }
}
