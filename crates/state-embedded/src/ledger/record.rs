//! Records as a segment holds them.
//!
//! A record is its length (2 bytes), its CRC-32 (4 bytes) and its payload, [`Stored`] in postcard's wire format; length and
//! CRC are little-endian. A length of 0 is the end.

use mayfly_state_api::{LedgerEntry, Payer, Sums};
use mayfly_types::{AppKey, ByteSize, FaultCode, Outcome, OutcomeStatus};
use serde::{Deserialize, Serialize};

/// Bytes before a payload.
pub(crate) const HEAD: usize = 6;

/// What a record says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Record {
    /// Who is meant by a number, in this segment.
    Names(u32, Payer),
    /// An attempt.
    Attempt(Attempt),
}

/// As far as sums are made of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Attempt {
    pub(crate) of: u32,
    pub(crate) started_us: i64,
    pub(crate) sums: Sums,
}

/// A payload. Whatever changes here changes [`MAGIC`](super::segment::MAGIC).
#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    /// A number's function and caller, for the rest of the segment.
    Names { of: u32, tenant: &'a str, app: &'a str, function: &'a str, caller: &'a str },
    /// An attempt of whoever has the number.
    Attempt {
        of: u32,
        invocation: [u8; 16],
        attempt: u32,
        started_us: i64,
        status: Status<'a>,
        cold: bool,
        cpu_estimated: bool,
        memory: u64,
        init_us: u64,
        wall_us: u64,
        cpu_us: u64,
        memory_peak: u64,
        bytes_in: u64,
        bytes_out: u64,
    },
    /// What an attempt of an earlier record came to beside that.
    More { of: u32, invocation: [u8; 16], attempt: u32, started_us: i64, sums: Sums },
}

#[derive(Serialize, Deserialize)]
enum Status<'a> {
    Ok,
    Cancelled,
    Fault(&'a str),
}

/// Writes who is meant by a number; see [`write`].
pub(crate) fn names(into: &mut [u8], number: u32, payer: &Payer) -> Option<Length> {
    // Credentials have short names; what is longer is cut rather than refused.
    let cut = |name: &'_ str| name.floor_char_boundary(usize::from(u8::MAX));
    let Payer { app, function, caller } = payer;
    let (tenant, app, function) = (app.tenant.as_str(), app.app.as_str(), function.as_str());
    let stored = Stored::Names {
        of: number,
        tenant: &tenant[..cut(tenant)],
        app: &app[..cut(app)],
        function: &function[..cut(function)],
        caller: &caller[..cut(caller)],
    };
    write(into, &stored)
}

/// Writes an attempt of whoever has this number; see [`write`].
pub(crate) fn attempt(into: &mut [u8], of: u32, entry: &LedgerEntry<'_>) -> Option<Length> {
    let LedgerEntry { attempt, started_us, outcome, .. } = *entry;
    let invocation = *entry.invocation.as_bytes();
    let stored = match entry.before {
        Some(_) => Stored::More { of, invocation, attempt, started_us, sums: entry.sums() },
        None => Stored::Attempt {
            of,
            invocation,
            attempt,
            started_us,
            status: match outcome.status {
                OutcomeStatus::Ok => Status::Ok,
                OutcomeStatus::Cancelled => Status::Cancelled,
                OutcomeStatus::Fault(code) => Status::Fault(code.as_str()),
            },
            cold: outcome.cold,
            cpu_estimated: outcome.cpu_estimated,
            memory: entry.memory.as_bytes(),
            init_us: outcome.init_us,
            wall_us: outcome.wall_us,
            cpu_us: outcome.cpu_us,
            memory_peak: outcome.memory_peak,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
        },
    };
    write(into, &stored)
}

/// Writes a record but for its length, which is answered, or nothing where there is no room.
fn write(into: &mut [u8], stored: &Stored<'_>) -> Option<Length> {
    let (head, payload) = into.split_first_chunk_mut::<HEAD>()?;
    let payload = postcard::to_slice(stored, payload).ok()?;
    head[2..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    Some(Length(payload.len() as u16))
}

/// What a record begins with. Until it is there, there is no record.
#[must_use]
pub(crate) struct Length(u16);

impl Length {
    /// Makes what was written a record; answers how many bytes it has.
    pub(crate) fn put(self, into: &mut [u8]) -> usize {
        std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::Release);
        into[..2].copy_from_slice(&self.0.to_le_bytes());
        HEAD + usize::from(self.0)
    }
}

/// The record at the beginning of `bytes` and its length, or nothing where there is no whole one.
pub(crate) fn read(bytes: &[u8]) -> Option<(Record, usize)> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let length = usize::from(u16::from_le_bytes([head[0], head[1]]));
    let payload = rest.get(..length).filter(|payload| !payload.is_empty())?;
    let crc = u32::from_le_bytes([head[2], head[3], head[4], head[5]]);
    if crc32fast::hash(payload) != crc {
        return None;
    }
    Some((parse(payload)?, HEAD + length))
}

fn parse(payload: &[u8]) -> Option<Record> {
    match postcard::from_bytes(payload).ok()? {
        Stored::Names { of, tenant, app, function, caller } => {
            let app = AppKey::new(tenant.parse().ok()?, app.parse().ok()?);
            let (function, caller) = (function.parse().ok()?, caller.to_owned());
            Some(Record::Names(of, Payer { app, function, caller }))
        }
        Stored::More { of, started_us, sums, .. } => {
            Some(Record::Attempt(Attempt { of, started_us, sums }))
        }
        Stored::Attempt {
            of,
            invocation: _,
            attempt: _,
            started_us,
            status,
            cold,
            cpu_estimated,
            memory,
            init_us,
            wall_us,
            cpu_us,
            memory_peak,
            bytes_in,
            bytes_out,
        } => {
            let status = match status {
                Status::Ok => OutcomeStatus::Ok,
                Status::Cancelled => OutcomeStatus::Cancelled,
                Status::Fault(code) => {
                    let known = FaultCode::ALL.iter().find(|known| known.as_str() == code);
                    OutcomeStatus::Fault(*known?)
                }
            };
            let outcome = Outcome {
                status,
                cold,
                init_us,
                wall_us,
                cpu_us,
                cpu_estimated,
                memory_peak,
                bytes_in,
                bytes_out,
            };
            let sums = Sums::of(&outcome, ByteSize::bytes(memory));
            Some(Record::Attempt(Attempt { of, started_us, sums }))
        }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_state_api::suite;
    use mayfly_types::{InvocationId, TenantName};

    use super::*;

    #[test]
    fn records_are_read_as_they_were_written_and_not_when_a_byte_is_wrong() {
        let app = suite::app(&TenantName::fallback(), "photos");
        let payer =
            Payer {
                app: app.clone(), function: suite::function("thumb"), caller: "é".repeat(200)
            };
        let statuses = [
            OutcomeStatus::Ok,
            OutcomeStatus::Cancelled,
            OutcomeStatus::Fault(FaultCode::OutOfMemory),
        ];
        for (at, status) in statuses.into_iter().enumerate() {
            let outcome = Outcome {
                cold: at != 1,
                cpu_estimated: at != 0,
                init_us: 1,
                wall_us: 2_000,
                cpu_us: 3,
                memory_peak: 4,
                bytes_in: 5,
                bytes_out: u64::MAX,
                ..Outcome::nothing(status)
            };
            let entry = LedgerEntry {
                invocation: InvocationId::new(),
                attempt: 1,
                app: &app,
                function: &payer.function,
                caller: None,
                started_us: 7,
                memory: ByteSize::mb(128),
                outcome: &outcome,
                before: None,
            };
            let mut bytes = vec![0; 2_000];
            let first = names(&mut bytes, 9, &payer).unwrap().put(&mut bytes);
            let rest = &mut bytes[first..];
            let second = attempt(rest, 9, &entry).unwrap();
            assert_eq!(read(rest), None, "its length comes last");
            let second = second.put(rest);
            bytes.truncate(first + second);
            assert!(attempt(&mut vec![0; second - 1], 9, &entry).is_none(), "there is no room");
            let cut = Payer { caller: "é".repeat(127), ..payer.clone() };
            assert_eq!(read(&bytes), Some((Record::Names(9, cut), first)));
            let sums = Sums::of(&outcome, ByteSize::mb(128));
            let expected = Record::Attempt(Attempt { of: 9, started_us: 7, sums });
            assert_eq!(read(&bytes[first..]), Some((expected, bytes.len() - first)));
            for wrong in first..bytes.len() {
                let mut bytes = bytes.clone();
                bytes[wrong] ^= 0x10;
                assert_eq!(read(&bytes[first..]), None, "{wrong}");
                assert_eq!(read(&bytes[first..wrong]), None, "{wrong}");
            }
        }
        let began = Outcome { wall_us: 1_500, bytes_out: 7, ..Outcome::nothing(OutcomeStatus::Ok) };
        let fault = OutcomeStatus::Fault(FaultCode::Timeout);
        let all = Outcome { status: fault, wall_us: 9_100, ..began.clone() };
        let entry = LedgerEntry {
            invocation: InvocationId::new(),
            attempt: 1,
            app: &app,
            function: &payer.function,
            caller: None,
            started_us: 7,
            memory: ByteSize::mb(2),
            outcome: &all,
            before: Some(&began),
        };
        let mut bytes = vec![0; 2_000];
        let length = attempt(&mut bytes, 9, &entry).unwrap().put(&mut bytes);
        let sums = Sums { billed_ms: 8, mb_ms: 16, function_faults: 1, ..Sums::default() };
        let expected = Record::Attempt(Attempt { of: 9, started_us: 7, sums });
        assert_eq!(read(&bytes), Some((expected, length)));
        assert_eq!(read(&[0; 64]), None);
        assert_eq!(read(&[]), None);
    }
}
