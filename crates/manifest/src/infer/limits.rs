//! What a runtime can be given.

use mayfly_types::{ByteSize, Isolation, RuntimeKind};

use super::MEMORY;
use crate::manifest::FunctionSection;
use crate::problem::Problems;

/// Memory that a `js` instance may be given: a VM needs the one, wasm32 addresses the other.
const JS_MEMORY: [ByteSize; 2] = [ByteSize::mb(16), ByteSize::mb(4096)];
/// Memory that a process may be given.
const PROCESS_MEMORY: [ByteSize; 2] = [ByteSize::mb(32), ByteSize::mb(1 << 20)];
/// The smallest `/tmp`.
const LEAST_DISK: ByteSize = ByteSize::mb(1);

impl FunctionSection {
    /// Refuses limits that the runtime cannot have, and those that nothing would hold.
    pub(super) fn check_limits(&self, runtime: RuntimeKind, problems: &mut Problems) {
        let process = !matches!(runtime, RuntimeKind::Js | RuntimeKind::Wasm);
        let [least, most] = if process { PROCESS_MEMORY } else { JS_MEMORY };
        if let Some(memory) = &self.memory
            && !(least..=most).contains(memory.get_ref())
        {
            let given = memory.get_ref();
            problems.add(
                memory.span(),
                format!(
                    "`memory` of a `{runtime}` function is from {least} to {most}, not {given}"
                ),
            );
        }
        if let Some(disk) = &self.disk {
            let memory = self.memory().unwrap_or(MEMORY);
            if process && !(LEAST_DISK..=memory).contains(disk.get_ref()) {
                problems.add_with_help(
                    disk.span(),
                    format!(
                        "`disk` is from {LEAST_DISK} to `memory`, {memory}, not {}",
                        disk.get_ref()
                    ),
                    "a function's /tmp is kept in its memory: raise `memory`, or lower `disk`",
                );
            }
        }
        if let Some(isolation) = &self.isolation
            && !process
            && *isolation.get_ref() == Isolation::Instance
        {
            problems.add_with_help(
                isolation.span(),
                format!("`isolation = \"instance\"` is not in this build yet for `{runtime}`"),
                "leave it out: every invocation has a fresh environment",
            );
        }
        if process {
            self.check_processes(runtime, problems);
        } else {
            self.check_isolates(runtime, problems);
        }
    }

    fn check_processes(&self, runtime: RuntimeKind, problems: &mut Problems) {
        if let Some(most) = &self.concurrency_per_instance
            && *most.get_ref() > 1
            && runtime != RuntimeKind::Nodejs
        {
            problems.add_with_help(
                most.span(),
                format!("an instance of `{runtime}` takes one attempt at a time"),
                "leave it out: more instances start when more is asked",
            );
        }
    }

    fn check_isolates(&self, runtime: RuntimeKind, problems: &mut Problems) {
        let later = [
            ("cpu", self.cpu.as_ref().map(|cpu| cpu.span())),
            ("disk", self.disk.as_ref().map(|disk| disk.span())),
            (
                "concurrency_per_instance",
                self.concurrency_per_instance.as_ref().map(|most| most.span()),
            ),
        ];
        for (key, span) in later {
            if let Some(span) = span {
                problems.add_with_help(
                    span,
                    format!("`{key}` means nothing to a `{runtime}` function"),
                    "remove it: nothing here would enforce it",
                );
            }
        }
    }
}
