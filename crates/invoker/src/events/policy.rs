//! What follows an attempt.

use mayfly_state_api::{Lease, Then};
use mayfly_types::{AsyncConfig, Blame, Fault, FaultCode, TimeSpan};

use super::EventLimits;

/// Most times that an event may be lost with its node before it is given up: it may be what ends the node.
/// Those beside it are lost as well, so it is many times.
pub(crate) const MOST_LOST: u32 = 20;

/// What is waited for at first, and at most, when an event was not tried, in microseconds.
const PUT_BACK_US: (i64, i64) = (100_000, 30_000_000);
/// The same, when the platform failed in its midst.
const PLATFORM_US: (i64, i64) = (1_000_000, 300_000_000);
/// Most that a function's own retry waits, in microseconds.
const LONGEST_US: i64 = 3_600_000_000;

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Came {
    /// An answer, as JSON.
    Answer(String),
    /// A failure.
    Fault {
        /// Why.
        fault: Fault,
        /// Whether the function was reached.
        ran: bool,
    },
    /// It was not tried, and is not to be.
    GivenUp(Fault),
}

impl Came {
    /// What it came to that is a failure.
    pub(crate) fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Answer(_) => None,
            Self::Fault { fault, .. } | Self::GivenUp(fault) => Some(fault),
        }
    }
}

/// What follows an attempt that ended at `now_us`. `jitter` is a random number from 0 to 1.
pub(crate) fn then(
    came: &Came,
    lease: &Lease,
    config: &AsyncConfig,
    limits: &EventLimits,
    now_us: i64,
    jitter: f64,
) -> Then {
    let failed = |fault: Fault| {
        let keep_us = micros(limits.keep_failed);
        Then::Failed { fault, keep_us, send: None }
    };
    let (fault, ran) = match came {
        Came::Answer(answer) => {
            let result = (answer.len() <= limits.result).then(|| answer.clone());
            let keep_us = micros(limits.keep_succeeded);
            return Then::Succeeded { result, keep_us, send: None };
        }
        Came::Fault { fault, ran } => (fault, *ran),
        Came::GivenUp(fault) => return failed(fault.clone()),
    };
    let wait = |first_us: i64, most_us: i64, before: u32| {
        let doubled = first_us.saturating_mul(1 << before.min(32)).min(most_us);
        now_us.saturating_add((doubled as f64 * (0.75 + jitter / 2.0)) as i64)
    };
    let throttled = matches!(
        fault.code,
        FaultCode::TooManyRequests | FaultCode::BudgetExceeded | FaultCode::Suspended
    );
    let next = match fault.code.blame() {
        Blame::Function if lease.failed + 1 >= config.attempts => return failed(fault.clone()),
        Blame::Function => {
            let first_us = micros(config.backoff.as_duration());
            let due_us = wait(first_us, LONGEST_US.max(first_us), lease.failed);
            Then::Retry { due_us, counts: true }
        }
        Blame::Caller if !throttled => return failed(fault.clone()),
        _ if ran => {
            let due_us = wait(
                PLATFORM_US.0,
                PLATFORM_US.1,
                lease.attempt - 1 - lease.failed.min(lease.attempt - 1),
            );
            Then::Retry { due_us, counts: false }
        }
        _ => Then::PutBack { due_us: wait(PUT_BACK_US.0, PUT_BACK_US.1, lease.put_back) },
    };
    match next {
        Then::Retry { due_us, .. } | Then::PutBack { due_us } if due_us > lease.expires_us => {
            failed(too_old(fault, config.max_age))
        }
        next => next,
    }
}

/// An event that nobody may try any more.
pub(crate) fn too_old(last: &Fault, max_age: TimeSpan) -> Fault {
    let message = format!("{}; it is not tried again, for `max_age` is {max_age}", last.message);
    Fault { message, ..last.clone() }
}

/// An event whose time was over before it was tried.
pub(crate) fn expired(max_age: TimeSpan) -> Fault {
    let message = format!("the event was not tried within its `max_age` of {max_age}");
    Fault::new(FaultCode::Unavailable, message)
}

/// An event that was lost too often.
pub(crate) fn lost(times: u32) -> Fault {
    let message = format!("the node ended {times} times while the function ran");
    Fault::new(FaultCode::FunctionCrashed, message)
}

pub(crate) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use mayfly_types::InvocationId;

    use super::*;

    const NOW_US: i64 = 1_700_000_000_000_000;
    const SECOND_US: i64 = 1_000_000;

    fn lease() -> Lease {
        Lease {
            id: InvocationId::new(),
            fence: 1,
            attempt: 1,
            failed: 0,
            lost: 0,
            put_back: 0,
            kind: "invoke".into(),
            payload: Vec::new(),
            caller: None,
            due_us: NOW_US,
            expires_us: NOW_US + 3_600 * SECOND_US,
        }
    }

    fn after(code: FaultCode, ran: bool, lease: &Lease) -> Then {
        let came = Came::Fault { fault: Fault::new(code, "why"), ran };
        let (config, limits) = (AsyncConfig::default(), EventLimits::default());
        then(&came, lease, &config, &limits, NOW_US, 0.5)
    }

    fn is_given_up(then: &Then) -> bool {
        matches!(then, Then::Failed { .. })
    }

    #[test]
    fn a_functions_own_failures_are_counted_and_wait_twice_as_long_each_time() {
        let code = FaultCode::FunctionError;
        let due = |seconds: i64| NOW_US + seconds * SECOND_US;
        let first = after(code, true, &lease());
        assert_eq!(first, Then::Retry { due_us: due(10), counts: true });
        let second = after(code, true, &Lease { failed: 1, attempt: 2, ..lease() });
        assert_eq!(second, Then::Retry { due_us: due(20), counts: true });
        assert!(is_given_up(&after(code, true, &Lease { failed: 2, attempt: 3, ..lease() })));
    }

    #[test]
    fn what_the_platform_did_costs_no_attempt() {
        let last = Lease { failed: 2, attempt: 3, ..lease() };
        let ran = after(FaultCode::Internal, true, &last);
        assert!(matches!(ran, Then::Retry { counts: false, .. }), "{ran:?}");
        for code in [FaultCode::TooManyRequests, FaultCode::Unavailable] {
            let then = after(code, false, &last);
            assert_eq!(then, Then::PutBack { due_us: NOW_US + SECOND_US / 10 });
        }
        let often = after(FaultCode::TooManyRequests, false, &Lease { put_back: 99, ..last });
        assert_eq!(often, Then::PutBack { due_us: NOW_US + 30 * SECOND_US });
    }

    #[test]
    fn what_can_never_work_is_not_tried_again() {
        for code in [FaultCode::NotFound, FaultCode::BadRequest, FaultCode::PayloadTooLarge] {
            assert!(is_given_up(&after(code, false, &lease())), "{code}");
        }
    }

    #[test]
    fn nothing_is_tried_beyond_its_age() {
        let old = Lease { expires_us: NOW_US + 5 * SECOND_US, ..lease() };
        let Then::Failed { fault, .. } = after(FaultCode::FunctionError, true, &old) else {
            panic!("it is tried again")
        };
        assert_eq!(fault.message, "why; it is not tried again, for `max_age` is 6h");
        assert!(!is_given_up(&after(FaultCode::Unavailable, false, &old)));
    }

    #[test]
    fn retries_are_spread_around_their_time() {
        let came = Came::Fault { fault: Fault::new(FaultCode::Timeout, "why"), ran: true };
        let due = |jitter| {
            let (config, limits) = (AsyncConfig::default(), EventLimits::default());
            match then(&came, &lease(), &config, &limits, NOW_US, jitter) {
                Then::Retry { due_us, .. } => due_us - NOW_US,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([due(0.0), due(1.0)], [7_500_000, 12_500_000]);
    }

    #[test]
    fn an_answer_that_is_too_large_is_not_kept() {
        let limits = EventLimits { result: 3, ..EventLimits::default() };
        let result = |answer: &str| {
            let came = Came::Answer(answer.to_owned());
            match then(&came, &lease(), &AsyncConfig::default(), &limits, NOW_US, 0.5) {
                Then::Succeeded { result, .. } => result,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(result("123").as_deref(), Some("123"));
        assert_eq!(result("1234"), None);
    }
}
