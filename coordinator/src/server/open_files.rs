//! How many files this process may have open: each agent that is connected takes one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// For the store, listeners, operators, pages and AWS's API, besides the agents' connections.
const BESIDES: u64 = 256;

/// Raises the soft limit to the hard one, which a process may always do; service managers and shells set the soft one low for programs that
/// still use `select`. What to tell where that is too few for `connections`.
pub fn allow(connections: usize) -> Option<String> {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDES);
    match raised {
        Ok(limit) => (limit < wanted).then(|| {
            format!(
                "this process may open {limit} files, and {connections} connections of agents take {wanted}: \
                 raise its hard limit (LimitNOFILE= of a unit), or lower limits.connections"
            )
        }),
        Err(error) => Some(format!("how many files may be open cannot be raised: {error}")),
    }
}
