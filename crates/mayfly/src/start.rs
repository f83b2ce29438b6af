//! What long-running commands begin with.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Writes the platform's own events to stderr; `MAYFLY_LOG` chooses which (`info`, `debug`, or
/// `mayfly_gateway=debug,info`).
pub(crate) fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_env("MAYFLY_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

/// Runs a future on a new runtime.
pub(crate) fn block_on<F>(future: F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Functions run on these threads, on stacks of their own, but host calls may nest.
        .thread_stack_size(4 << 20)
        // Guests yield after a tick; sockets are looked at between them.
        .event_interval(31)
        .build()?;
    runtime.block_on(future)
}
