//! What an attempt took, as a line of its function's log: Lambda's `REPORT`.

use std::fmt::Write as _;

use mayfly_types::{ByteSize, InvocationId, Outcome};

const MB: u64 = 1 << 20;

/// The line of an attempt that has ended, with tabs where Lambda has them.
pub(crate) fn line(id: InvocationId, outcome: &Outcome, memory: ByteSize) -> String {
    let mut line = String::with_capacity(192);
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        "REPORT RequestId: {id}\tDuration: {} ms\tBilled Duration: {} ms\tMemory Size: {} MB\t\
         Max Memory Used: {} MB",
        Ms(outcome.wall_us),
        outcome.billed_ms(),
        memory.as_bytes() / MB,
        outcome.memory_peak.div_ceil(MB),
    );
    if outcome.cold && outcome.init_us > 0 {
        let _ = write!(line, "\tInit Duration: {} ms", Ms(outcome.init_us));
    }
    line
}

/// Microseconds as milliseconds with two digits behind the point.
struct Ms(u64);

impl std::fmt::Display for Ms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 1000, self.0 % 1000 / 10)
    }
}

#[cfg(test)]
mod tests {
    use mayfly_types::OutcomeStatus;

    use super::*;

    #[test]
    fn a_line_says_what_lambda_says() {
        let id = InvocationId::new();
        let nothing = Outcome::nothing(OutcomeStatus::Ok);
        let (wall_us, memory_peak) = (12_349, 19 * MB + 1);
        let warm = Outcome { wall_us, memory_peak, init_us: 9, ..nothing };
        let told = format!(
            "REPORT RequestId: {id}\tDuration: 12.34 ms\tBilled Duration: 13 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 20 MB"
        );
        assert_eq!(line(id, &warm, ByteSize::mb(128)), told);
        let cold = Outcome { cold: true, init_us: 5_100, ..warm };
        assert_eq!(line(id, &cold, ByteSize::mb(128)), format!("{told}\tInit Duration: 5.10 ms"));
    }
}
