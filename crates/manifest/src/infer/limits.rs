//! What a runtime can be given.

use mayfly_types::{ByteSize, Isolation, RuntimeKind};

use super::MEMORY;
use crate::manifest::FunctionSection;
use crate::problem::Problems;

/// Memory that a `js` instance may be given: a VM needs the one, wasm32 addresses the other.
const JS_MEMORY: [ByteSize; 2] = [ByteSize::mb(16), ByteSize::mb(4096)];
/// Memory that an instance of a component may be given: a page is 64 KB, and wasm32 addresses the other.
const WASM_MEMORY: [ByteSize; 2] = [ByteSize::mb(1), ByteSize::mb(4096)];
/// Memory that a process may be given.
const PROCESS_MEMORY: [ByteSize; 2] = [ByteSize::mb(32), ByteSize::mb(1 << 20)];
/// Keys that nothing would hold.
const JS_LATER: [&str; 3] = ["cpu", "disk", "concurrency_per_instance"];
const WASM_LATER: [&str; 1] = ["concurrency_per_instance"];
/// The smallest `/tmp`.
const LEAST_DISK: ByteSize = ByteSize::mb(1);

impl FunctionSection {
    /// Refuses limits that the runtime cannot have, and those that nothing would hold.
    pub(super) fn check_limits(&self, runtime: RuntimeKind, problems: &mut Problems) {
        let process = !matches!(runtime, RuntimeKind::Js | RuntimeKind::Wasm);
        let [least, most] = match runtime {
            RuntimeKind::Js => JS_MEMORY,
            RuntimeKind::Wasm => WASM_MEMORY,
            _ => PROCESS_MEMORY,
        };
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
            if runtime != RuntimeKind::Js && !(LEAST_DISK..=memory).contains(disk.get_ref()) {
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
        match runtime {
            RuntimeKind::Js => self.refuse(&JS_LATER, runtime, problems),
            RuntimeKind::Wasm => self.refuse(&WASM_LATER, runtime, problems),
            _ => self.check_processes(runtime, problems),
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

    /// Refuses keys that mean nothing to a runtime.
    fn refuse(&self, keys: &[&str], runtime: RuntimeKind, problems: &mut Problems) {
        let written = [
            ("cpu", self.cpu.as_ref().map(|cpu| cpu.span())),
            ("disk", self.disk.as_ref().map(|disk| disk.span())),
            (
                "concurrency_per_instance",
                self.concurrency_per_instance.as_ref().map(|most| most.span()),
            ),
        ];
        for (key, span) in written.into_iter().filter(|(key, _)| keys.contains(key)) {
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
