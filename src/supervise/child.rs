//! The child's side: knowing its parent, and ending with it.
//!
//! A child whose parent is gone would hold sessions that nobody releases early, so the kernel is asked to kill it then.

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use super::TOKEN_VARIABLE;

/// Between the parent's process id and what is random.
const SEPARATOR: char = '.';

/// A child's token.
pub(super) fn token(parent: u32, random: &str) -> String {
    format!("{parent}{SEPARATOR}{random}")
}

/// The process id in a token.
fn parent_of(token: &str) -> Option<Pid> {
    let (parent, random) = token.split_once(SEPARATOR)?;
    let is_random = !random.is_empty() && random.bytes().all(|b| b.is_ascii_hexdigit());
    let parent = parent.parse().ok().and_then(Pid::from_raw)?;
    is_random.then_some(parent)
}

/// Makes this process end with its parent, if it has one of ours; the token for the node's record. Must be called on the process's first
/// thread: the wish ends with the thread that had it.
///
/// # Errors
/// When the parent is gone already, or the wish is refused.
pub(crate) fn attach() -> Result<Option<String>> {
    let Some(token) = std::env::var_os(TOKEN_VARIABLE) else {
        return Ok(None);
    };
    let token = token.into_string().ok();
    let Some((token, parent)) = token.and_then(|t| parent_of(&t).map(|parent| (t, parent))) else {
        bail!("{TOKEN_VARIABLE} is set by a parent for its child: use --supervised instead");
    };
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("ask to be killed with the parent")?;
    // It may have died before the wish was heard.
    ensure!(
        getppid() == Some(parent),
        "the parent that started this process is gone"
    );
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_parent() {
        let found = parent_of(&token(4711, "00ff")).unwrap();
        assert_eq!(found.as_raw_nonzero().get(), 4711);
        for broken in ["", "4711", "4711.", "x.00ff", "4711.xyz", "0.00ff", "-.00"] {
            assert!(parent_of(broken).is_none(), "{broken:?}");
        }
    }
}
