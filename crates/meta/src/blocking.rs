//! Work that blocks, where openraft calls it: on the threads of Raft's own runtime.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Runs `work` here and now, while another thread takes over what else this one had to do: a heartbeat never waits for a disk
/// or for a long command. On a runtime of one thread, which only tests have, and outside of any, it is just run.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}
