//! Records as a segment holds them.
//!
//! A record is its length (2 bytes), its CRC-32 (4 bytes) and its payload. The payload begins with its kind:
//! names, which number a function and a caller for the rest of the segment; an attempt, which refers to them by
//! that number; or what an attempt of an earlier record came to beside that. All numbers are little-endian. A length of 0 is the end.

use mayfly_state_api::{LedgerEntry, Payer, Sums};
use mayfly_types::{AppKey, ByteSize, FaultCode, Outcome, OutcomeStatus};

/// Bytes before a payload.
pub(crate) const HEAD: usize = 6;

const NAMES: u8 = 1;
const ATTEMPT: u8 = 2;
const MORE: u8 = 3;

/// How many sums a record had before there were estimates.
const BEFORE_ESTIMATES: usize = 11;

const COLD: u8 = 1;
const ESTIMATED: u8 = 2;

const OK: u8 = 0;
const CANCELLED: u8 = 1;
const FAULT: u8 = 2;

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

/// Writes who is meant by a number.
pub(crate) fn names(into: &mut Vec<u8>, number: u32, payer: &Payer) {
    let begin = open(into, NAMES);
    into.extend(number.to_le_bytes());
    let Payer { app, function, caller } = payer;
    for name in [app.tenant.as_str(), app.app.as_str(), function.as_str(), caller] {
        // Credentials have short names; what is longer is cut rather than refused.
        let name = &name[..name.floor_char_boundary(usize::from(u8::MAX))];
        into.push(name.len() as u8);
        into.extend(name.as_bytes());
    }
    close(into, begin);
}

/// Writes an attempt of whoever has this number.
pub(crate) fn attempt(into: &mut Vec<u8>, of: u32, entry: &LedgerEntry<'_>) {
    let outcome = entry.outcome;
    let (status, code) = match outcome.status {
        OutcomeStatus::Ok => (OK, ""),
        OutcomeStatus::Cancelled => (CANCELLED, ""),
        OutcomeStatus::Fault(code) => (FAULT, code.as_str()),
    };
    let begin = open(into, if entry.before.is_some() { MORE } else { ATTEMPT });
    into.extend(of.to_le_bytes());
    into.extend(entry.invocation.as_bytes());
    into.extend(entry.attempt.to_le_bytes());
    into.extend(entry.started_us.to_le_bytes());
    if entry.before.is_some() {
        for number in entry.sums().to_array() {
            into.extend(number.to_le_bytes());
        }
        return close(into, begin);
    }
    let flags = [(outcome.cold, COLD), (outcome.cpu_estimated, ESTIMATED)];
    let flags = flags.iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag);
    into.extend([status, flags]);
    for number in [
        entry.memory.as_bytes(),
        outcome.init_us,
        outcome.wall_us,
        outcome.cpu_us,
        outcome.memory_peak,
        outcome.bytes_in,
        outcome.bytes_out,
    ] {
        into.extend(number.to_le_bytes());
    }
    into.extend(code.as_bytes());
    close(into, begin);
}

fn open(into: &mut Vec<u8>, kind: u8) -> usize {
    let begin = into.len();
    into.extend([0; HEAD]);
    into.push(kind);
    begin
}

fn close(into: &mut [u8], begin: usize) {
    let payload = begin + HEAD;
    let length = (into.len() - payload) as u16;
    let crc = crc32fast::hash(&into[payload..]);
    into[begin..begin + 2].copy_from_slice(&length.to_le_bytes());
    into[begin + 2..payload].copy_from_slice(&crc.to_le_bytes());
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
    let (kind, mut rest) = payload.split_first()?;
    let rest = &mut rest;
    let of = u32::from_le_bytes(take(rest)?);
    match *kind {
        NAMES => {
            let app = AppKey::new(name(rest)?.parse().ok()?, name(rest)?.parse().ok()?);
            let function = name(rest)?.parse().ok()?;
            Some(Record::Names(of, Payer { app, function, caller: name(rest)?.to_owned() }))
        }
        ATTEMPT | MORE => {
            let _invocation: [u8; 16] = take(rest)?;
            let _number: [u8; 4] = take(rest)?;
            let started_us = i64::from_le_bytes(take(rest)?);
            if *kind == MORE {
                let mut sums = [0; Sums::COUNT];
                for (at, number) in sums.iter_mut().enumerate() {
                    match take(rest) {
                        Some(bytes) => *number = u64::from_le_bytes(bytes),
                        None if at == BEFORE_ESTIMATES => {}
                        None => return None,
                    }
                }
                let sums = Sums::from_array(sums);
                return Some(Record::Attempt(Attempt { of, started_us, sums }));
            }
            let [status, flags] = take(rest)?;
            let mut numbers = [0; 7];
            for number in &mut numbers {
                *number = u64::from_le_bytes(take(rest)?);
            }
            let [memory, init_us, wall_us, cpu_us, memory_peak, bytes_in, bytes_out] = numbers;
            let status = match status {
                OK => OutcomeStatus::Ok,
                CANCELLED => OutcomeStatus::Cancelled,
                FAULT => {
                    let code = FaultCode::ALL.iter().find(|code| code.as_str().as_bytes() == *rest);
                    OutcomeStatus::Fault(*code?)
                }
                _ => return None,
            };
            let outcome = Outcome {
                status,
                cold: flags & COLD != 0,
                init_us,
                wall_us,
                cpu_us,
                cpu_estimated: flags & ESTIMATED != 0,
                memory_peak,
                bytes_in,
                bytes_out,
            };
            let sums = Sums::of(&outcome, ByteSize::bytes(memory));
            Some(Record::Attempt(Attempt { of, started_us, sums }))
        }
        _ => None,
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*taken)
}

fn name<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let [length] = take(rest)?;
    let (name, after) = rest.split_at_checked(usize::from(length))?;
    *rest = after;
    std::str::from_utf8(name).ok()
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
            let mut bytes = Vec::new();
            names(&mut bytes, 9, &payer);
            let first = bytes.len();
            attempt(&mut bytes, 9, &entry);
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
        let mut bytes = Vec::new();
        attempt(&mut bytes, 9, &entry);
        let sums = Sums { billed_ms: 8, mb_ms: 16, function_faults: 1, ..Sums::default() };
        let expected = Record::Attempt(Attempt { of: 9, started_us: 7, sums });
        assert_eq!(read(&bytes), Some((expected.clone(), bytes.len())));
        // Before there were estimates.
        bytes.truncate(bytes.len() - 8);
        close(&mut bytes, 0);
        assert_eq!(read(&bytes), Some((expected, bytes.len())));
        assert_eq!(read(&[0; 64]), None);
        assert_eq!(read(&[]), None);
    }
}
