//! Times as people read and write them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mayfly_types::TimeSpan;

/// How long ago `then` was, both in UTC microseconds since 1970: `5m ago`.
pub(crate) fn ago(then: i64, now: i64) -> String {
    let seconds = now.saturating_sub(then) / 1_000_000;
    match seconds {
        ..1 => "now".to_owned(),
        1..60 => format!("{seconds}s ago"),
        60..3600 => format!("{}m ago", seconds / 60),
        3600..172_800 => format!("{}h ago", seconds / 3600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

/// The time of day, with the date where it is not today's.
pub(crate) fn short(then: i64, now: &Zoned) -> String {
    let Ok(then) = Timestamp::from_microsecond(then) else { return "?".to_owned() };
    let then = then.to_zoned(now.time_zone().clone());
    if then.date() == now.date() {
        then.strftime("%H:%M:%S%.3f").to_string()
    } else {
        then.strftime("%b %d %H:%M:%S%.3f").to_string()
    }
}

/// The present, in the local time zone.
pub(crate) fn now() -> Zoned {
    Timestamp::now().to_zoned(TimeZone::system())
}

/// A beginning: `10m`, `2d`, or a time of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So many milliseconds before the present.
    Before(u64),
    /// That time.
    At(Timestamp),
}

impl Since {
    /// As a point in time; what lies before all time is its beginning.
    pub(crate) fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Before(millis) => {
                now.checked_sub(std::time::Duration::from_millis(millis)).unwrap_or(Timestamp::MIN)
            }
            Self::At(time) => time,
        }
    }
}

impl std::str::FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()) {
            return Ok(Self::Before(days.saturating_mul(86_400_000)));
        }
        if let Ok(span) = text.parse::<TimeSpan>() {
            return Ok(Self::Before(span.as_millis()));
        }
        text.parse::<Timestamp>().map(Self::At).map_err(|_| {
            "write how long ago (`30s`, `10m`, `2h`, `1d`) or a time (`2026-01-31T08:00:00Z`)"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_told_in_the_largest_unit_that_says_enough() {
        let ago = |seconds: i64| ago(0, seconds * 1_000_000);
        let told = [-5, 0, 59, 60, 3599, 3600, 172_799, 172_800].map(ago);
        assert_eq!(
            told,
            ["now", "now", "59s ago", "1m ago", "59m ago", "1h ago", "47h ago", "2d ago"]
        );
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let now = "2026-11-21T08:00:00+02:00[+02:00]".parse::<Zoned>().unwrap();
        let at = |time: &str| short(time.parse::<Timestamp>().unwrap().as_microsecond(), &now);
        assert_eq!(at("2026-11-21T05:59:59.1234Z"), "07:59:59.123");
        assert_eq!(at("2026-11-20T21:30:00Z"), "Nov 20 23:30:00.000");
    }

    #[test]
    fn a_beginning_is_a_length_of_time_or_a_time() {
        assert_eq!("10m".parse(), Ok(Since::Before(600_000)));
        assert_eq!("1d".parse(), Ok(Since::Before(86_400_000)));
        assert!(matches!("2026-01-31T08:00:00Z".parse(), Ok(Since::At(_))));
        assert!("soon".parse::<Since>().unwrap_err().contains("10m"));
        let now = Timestamp::from_second(100).unwrap();
        assert_eq!(Since::Before(1000).time(now).as_microsecond(), 99_000_000);
    }
}
