//! Times in JSON: UTC microseconds since 1970 as text of RFC 3339, section 5.6. For serde's `with`.

use jiff::Timestamp;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de, ser};

/// Writes `micros` as `2026-11-21T10:12:23.000001Z`.
///
/// # Errors
/// When the time lies outside the years -9999 to 9999.
pub fn serialize<S: Serializer>(micros: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    Timestamp::from_microsecond(*micros).map_err(ser::Error::custom)?.serialize(serializer)
}

/// Reads a time with any offset; what is finer than a microsecond is cut off.
///
/// # Errors
/// When the text is no time of RFC 3339.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let time = Timestamp::deserialize(deserializer).map_err(de::Error::custom)?;
    Ok(time.as_microsecond())
}

#[cfg(test)]
mod tests {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Record {
        #[serde(with = "super")]
        time: i64,
    }

    #[test]
    fn a_time_is_read_as_it_was_written_and_with_any_offset() {
        let json = serde_json::to_string(&Record { time: 1_795_244_645_678_901 }).unwrap();
        assert_eq!(json, r#"{"time":"2026-11-21T07:04:05.678901Z"}"#);
        for text in [&json, r#"{"time":"2026-11-21T08:04:05.678901+01:00"}"#] {
            assert_eq!(serde_json::from_str::<Record>(text).unwrap().time, 1_795_244_645_678_901);
        }
        assert!(serde_json::from_str::<Record>(r#"{"time":"yesterday"}"#).is_err());
    }
}
