//! What happens in a history, and how a seed makes one.

use mayfly_types::{AppKey, Digest, FunctionName, InvocationId, TenantName};

use super::super::{Random, app, function};
use crate::{IdempotencyKey, InvocationQuery, InvocationStatus, NewInvocation};

const MS_US: i64 = 1_000;
const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3_600 * SECOND_US;

/// One thing that happens. Leases and completions are named by how many came after them, so that a history
/// still makes sense when some of its steps are left out.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// An event comes, due after a while or at once.
    Accept {
        /// The event.
        new: NewInvocation,
        /// After how many microseconds.
        delay_us: Option<i64>,
    },
    /// Events of a function are handed out.
    Lease {
        /// Which function.
        lane: usize,
        /// How many at most.
        limit: usize,
        /// For how long.
        for_us: i64,
    },
    /// Leases are extended.
    Extend {
        /// From which back.
        back: usize,
        /// How many.
        many: usize,
        /// For how long.
        for_us: i64,
    },
    /// A lease ends.
    Complete {
        /// Which.
        back: usize,
        /// How long it took.
        wall_us: u64,
        /// What follows.
        then: Follows,
    },
    /// What was told of an end is told again.
    Again {
        /// Which.
        back: usize,
    },
    /// An invocation is cancelled.
    Cancel {
        /// Whose it is said to be.
        tenant: TenantName,
        /// Which.
        id: InvocationId,
    },
    /// Dead letters are queued again.
    Redrive {
        /// Of which function.
        lane: usize,
        /// Which one.
        one: Option<InvocationId>,
        /// Or those that were accepted so lately.
        last_us: i64,
        /// How many at most.
        limit: usize,
    },
    /// One invocation and a page of a list are read.
    Read {
        /// Whose it is said to be.
        tenant: TenantName,
        /// Which.
        id: InvocationId,
        /// The page.
        query: InvocationQuery,
    },
    /// Leases that ran out are looked for, and what is old is forgotten.
    Forget {
        /// How much of it at most.
        limit: usize,
    },
    /// An app goes.
    DeleteApp {
        /// Which.
        app: AppKey,
    },
    /// The clock moves.
    Clock(Turn),
    /// The process ends, and another begins.
    Reopen,
}

/// How the clock moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// By so much, also backwards.
    By(i64),
    /// To where something is due, over or old, or right beside it.
    ToNext {
        /// How far beside it.
        off_us: i64,
    },
}

/// What follows an attempt, with times from now.
#[derive(Debug, Clone, PartialEq)]
pub enum Follows {
    /// See [`crate::Then::Succeeded`].
    Succeeded {
        /// How long it is kept.
        keep_us: i64,
        /// The answer.
        result: Option<String>,
        /// An event for another function.
        send: Option<NewInvocation>,
    },
    /// See [`crate::Then::Failed`].
    Failed {
        /// How long it is kept.
        keep_us: i64,
        /// An event for another function.
        send: Option<NewInvocation>,
    },
    /// See [`crate::Then::Retry`].
    Retry {
        /// When it is due.
        after_us: i64,
        /// Whether it cost an attempt.
        counts: bool,
    },
    /// See [`crate::Then::PutBack`].
    PutBack {
        /// When it is due.
        after_us: i64,
    },
}

/// The functions of all histories: two of one app, and one of another tenant's app of the same name.
pub(super) fn lanes() -> [(AppKey, FunctionName); 3] {
    let tenant = |name| TenantName::new(name).unwrap();
    let (one, other) = (app(&tenant("model-one"), "photos"), app(&tenant("model-two"), "photos"));
    [(one.clone(), function("thumb")), (one, function("mail")), (other, function("thumb"))]
}

/// The history of a seed.
pub fn history(seed: u64, length: usize) -> Vec<Step> {
    let mut made = Maker { random: Random::new(seed), known: Vec::new(), at: 0 };
    (0..length).map(|_| made.step()).collect()
}

struct Maker {
    random: Random,
    /// The events that were made before.
    known: Vec<NewInvocation>,
    /// How many ids there are.
    at: u64,
}

impl Maker {
    fn step(&mut self) -> Step {
        match self.random.below(200) {
            0..44 => self.accept(),
            44..88 => Step::Lease {
                lane: self.lane(),
                limit: *self.random.pick(&[0, 1, 1, 2, 3, 50]),
                for_us: self.span(),
            },
            88..94 => Step::Extend {
                back: self.back(),
                many: self.random.between(0, 4) as usize,
                for_us: self.span(),
            },
            94..138 => {
                let (back, wall_us) = (self.back(), self.random.below(5_000_000));
                Step::Complete { back, wall_us, then: self.follows() }
            }
            138..144 => Step::Again { back: self.back() },
            144..151 => Step::Cancel { tenant: self.tenant(), id: self.id() },
            151..161 => Step::Redrive {
                lane: self.lane(),
                one: self.random.chance(50).then(|| self.id()),
                last_us: self.span(),
                limit: *self.random.pick(&[0, 1, 2, 50]),
            },
            161..166 => self.read(),
            166..178 => Step::Forget { limit: *self.random.pick(&[0, 1, 50, 50]) },
            178..180 => Step::DeleteApp { app: lanes()[self.lane()].0.clone() },
            180..199 => Step::Clock(self.turn()),
            _ => Step::Reopen,
        }
    }

    fn accept(&mut self) -> Step {
        let delay_us = self.random.chance(30).then(|| self.span());
        if self.random.chance(10) && !self.known.is_empty() {
            return Step::Accept { new: self.random.pick(&self.known).clone(), delay_us };
        }
        let (app, function) = lanes()[self.lane()].clone();
        let new = self.event(app, function);
        self.known.push(new.clone());
        Step::Accept { new, delay_us }
    }

    fn event(&mut self, app: AppKey, function: FunctionName) -> NewInvocation {
        let random = &mut self.random;
        let kind = *random.pick(&["invoke", "schedule"]);
        let caller = random.chance(50).then(|| random.pick(&["laptop", "ci"]).to_string());
        let key = random.chance(25).then(|| IdempotencyKey {
            caller: random.pick(&["laptop", "ci"]).to_string(),
            key: random.pick(&["a", "b"]).to_string(),
            payload: Digest::of(random.pick(&["1", "2"]).as_bytes()),
        });
        // Mostly the later the greater, as ids of one machine are.
        self.at += 1;
        let first = if random.chance(90) { self.at } else { random.below(1_000) };
        let mut id = [0; 16];
        id[..8].copy_from_slice(&first.to_be_bytes());
        id[8..].copy_from_slice(&random.number().to_be_bytes());
        NewInvocation {
            id: InvocationId::from_bytes(id),
            app,
            function,
            kind: kind.into(),
            payload: self.at.to_string().into(),
            due_us: 0,
            max_age_us: self.span(),
            caller,
            key,
        }
    }

    fn follows(&mut self) -> Follows {
        let after_us = if self.random.chance(40) { self.span() } else { 0 };
        match self.random.below(10) {
            0..3 => {
                let result = self.random.chance(70).then(|| "{\"n\":12345678901234567890}".into());
                Follows::Succeeded { keep_us: self.span(), result, send: self.send() }
            }
            3..6 => Follows::Failed { keep_us: self.span(), send: self.send() },
            6..9 => Follows::Retry { after_us, counts: self.random.chance(60) },
            _ => Follows::PutBack { after_us },
        }
    }

    fn send(&mut self) -> Option<NewInvocation> {
        let (app, function) = lanes()[self.lane()].clone();
        let new = self.event(app, function);
        self.random.chance(30).then_some(NewInvocation { key: None, ..new })
    }

    fn read(&mut self) -> Step {
        let (app, function) = lanes()[self.lane()].clone();
        let query = InvocationQuery {
            app,
            function,
            status: self.random.chance(50).then(|| *self.random.pick(&InvocationStatus::ALL)),
            before: self.random.chance(50).then(|| self.id()),
            limit: *self.random.pick(&[0, 1, 2, 50]),
        };
        Step::Read { tenant: self.tenant(), id: self.id(), query }
    }

    fn turn(&mut self) -> Turn {
        let by_us = match self.random.below(10) {
            0..4 => return Turn::ToNext { off_us: self.random.between(-1, 1) },
            4..7 => self.random.between(1, 120 * SECOND_US),
            7 => self.random.between(1, 30 * HOUR_US),
            8 => -self.random.between(1, 120 * SECOND_US),
            _ => -self.random.between(1, 5 * HOUR_US),
        };
        Turn::By(by_us)
    }

    /// How long something takes, holds or is kept.
    fn span(&mut self) -> i64 {
        let most_us = *self.random.pick(&[MS_US, 60 * SECOND_US, 60 * SECOND_US, 30 * HOUR_US]);
        self.random.between(0, most_us)
    }

    /// One of the newest, mostly.
    fn back(&mut self) -> usize {
        let most = *self.random.pick(&[0, 0, 2, 5]);
        self.random.between(0, most) as usize
    }

    fn lane(&mut self) -> usize {
        *self.random.pick(&[0, 0, 0, 1, 2])
    }

    fn tenant(&mut self) -> TenantName {
        lanes()[*self.random.pick(&[0, 0, 0, 2])].0.tenant.clone()
    }

    /// An event's that was made, mostly one of the newest.
    fn id(&mut self) -> InvocationId {
        let newest = self.known.len().saturating_sub(8);
        let from = if self.random.chance(80) { &self.known[newest..] } else { &self.known[..] };
        if from.is_empty() || self.random.chance(5) {
            return InvocationId::from_bytes([self.random.below(255) as u8; 16]);
        }
        self.random.pick(from).id
    }
}
