//! What each side shares between requests: without that, no ratio says anything.

/// A part of `docs/BENCHMARKS.md`.
pub(super) const TEXT: &str = "\
## What each side shares

A server that keeps everything from one request to the next has less to do than one that keeps nothing. So
this belongs to every ratio: what of one request outlives it and can be seen by the next, and what a side
leaves out that Mayfly does.

Mayfly does these for each request, in every runtime: it finds app, release and function by host and path, holds
the concurrency of function and node and the limits of time and memory (that of processes where there are
cgroups), measures time, processor time and memory, gives the invocation an id, and keeps its lines by it. Shared by
all requests are the node's process, its listeners and its connections in and out.

| Mayfly | a request's own | what outlives it, and who sees that |
|---|---|---|
| `js` | VM and heap; there is no file system, network only by egress | nothing: written pages are put back. Read-only and shared: the engine's code, the function's image. All VMs are in the node's process |
| `wasm` | instance, memory, `/tmp`; network only by egress | nothing: written pages are zeroed or dropped. Read-only and shared: compiled code, the initial memory. All instances are in the node's process |
| `nodejs` | nothing, as with Lambda; fetch-style requests may be in the process at once | process, heap, `/tmp` and loopback, for the same revision's next requests. Sandboxes share the host's kernel, and its `/usr` read-only |
| `python`, `ruby`, `provided` | nothing; one request at a time in a process | the same |
| processes with `isolation = \"invocation\"` | `python`, `ruby`: a forked process, `/tmp` emptied after it; `nodejs`, `provided`: a sandbox | of a fork: the sandbox with its network namespace and what the module's top level made; else nothing |

| yardstick | what outlives a request, and is seen by the next | what it does not do |
|---|---|---|
| *bare* | the process; there is no function | no function, no isolation, no limits, no metering, no logs by invocation, no routing |
| *node* | process, heap, file system, network of the host | no isolation, no limits, no metering, no logs by invocation, no routing |
| *workerd* | the isolate: globals, heap, compiled code; the process | no isolation per request; no limits, no metering and no logs by invocation as it runs here; one worker, no routing |
| *wserve* | compiled code; the process. A fresh instance for each request with this component | no limits as it runs here, no metering, no logs by invocation, no routing |
| *wserve tuned* | the same; memory of the pool is put back as in Mayfly | the same |
| *uvicorn* | process, heap, file system, network of the host | no isolation, no limits, no metering, no logs by invocation (access logs are off), no routing |
| *puma* | the same | the same |
| *bare loop* | process, heap, file system, network of the host | no requests at all: events from memory, one at a time; no isolation, no limits, no metering, no logs, no routing |
| *fork* | nothing of the process; file system and network of the host | no namespaces, no limits, no filters, no requests |
| *bwrap* | nothing of the process; what is mounted is read-only or its own | namespaces, but no limits and no filters as asked for here; no requests |
| *runc* | nothing of the process; what is mounted is read-only or its own | namespaces and a cgroup, but no limits and no filters as `runc spec` asks for; no requests |
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_the_cells_of_its_heading() {
        for line in TEXT.lines().filter(|line| line.starts_with('|')) {
            assert_eq!(line.matches('|').count(), 4, "{line}");
        }
    }
}
