//! Path patterns: `/photos/{id}` and `/files/{*rest}`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Longest pattern, in bytes. It also bounds the depth of a [`RouteTable`](crate::RouteTable).
const LONGEST: usize = 1024;

/// Why a text is not a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with `/`.
    #[error("a path begins with `/`")]
    NotAbsolute,
    /// It is longer than 1024 bytes.
    #[error("a path has at most {LONGEST} bytes")]
    TooLong,
    /// Two slashes with nothing between them.
    #[error("a path may not contain `//`")]
    EmptySegment,
    /// A `.` or `..` segment: clients resolve these before they send a path.
    #[error("a path may not contain a `{0}` segment")]
    Dots(String),
    /// A character that no request's path has.
    #[error("a path may not contain {0:?}")]
    Character(char),
    /// A `%` that two hexadecimal digits do not follow.
    #[error("`{0}` has a `%` without two hexadecimal digits")]
    Escape(String),
    /// Braces that are not a whole segment.
    #[error("`{0}` is not a parameter: write `{{name}}` or `{{*rest}}` as a whole segment")]
    Braces(String),
    /// A parameter whose name is not an identifier.
    #[error("`{0}` does not name a parameter: use letters, digits and `_`")]
    Name(String),
    /// The same name twice.
    #[error("the parameter `{0}` is named twice")]
    Twice(String),
    /// A `{*rest}` that is not the last segment.
    #[error("`{{*{0}}}` takes the rest of the path and may stand only at its end")]
    TailNotLast(String),
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// These bytes, percent-decoded. Only the last one may be empty: a trailing slash.
    Static(Vec<u8>),
    /// One segment that is not empty.
    Param(String),
    /// All that is left, be it nothing.
    Tail(String),
}

impl Segment {
    /// The same without its name: what decides whether two patterns match the same paths.
    pub(crate) fn shape(&self) -> Shape<'_> {
        match self {
            Self::Static(bytes) => Shape::Static(bytes),
            Self::Param(_) => Shape::Param,
            Self::Tail(_) => Shape::Tail,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape<'a> {
    Static(&'a [u8]),
    Param,
    Tail,
}

/// The segments of a pattern; never empty.
pub(crate) fn parse(pattern: &str) -> Result<Vec<Segment>, PatternError> {
    if pattern.len() > LONGEST {
        return Err(PatternError::TooLong);
    }
    let Some(path) = pattern.strip_prefix('/') else {
        return Err(PatternError::NotAbsolute);
    };
    if let Some(wrong) =
        path.chars().find(|c| c.is_control() || matches!(c, ' ' | '?' | '#' | '\\'))
    {
        return Err(PatternError::Character(wrong));
    }
    let texts: Vec<&str> = path.split('/').collect();
    let mut segments: Vec<Segment> = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        let last = i + 1 == texts.len();
        if text.is_empty() && !last {
            return Err(PatternError::EmptySegment);
        }
        let segment = parse_segment(text)?;
        if let Segment::Tail(name) = &segment
            && !last
        {
            return Err(PatternError::TailNotLast(name.clone()));
        }
        if let Segment::Param(name) | Segment::Tail(name) = &segment
            && segments.iter().any(|earlier| {
                matches!(earlier, Segment::Param(other) | Segment::Tail(other) if other == name)
            })
        {
            return Err(PatternError::Twice(name.clone()));
        }
        segments.push(segment);
    }
    Ok(segments)
}

fn parse_segment(text: &str) -> Result<Segment, PatternError> {
    if !text.contains(['{', '}']) {
        let mut rest = text.as_bytes();
        while let Some(percent) = rest.iter().position(|byte| *byte == b'%') {
            rest = &rest[percent + 1..];
            if rest.len() < 2 || !rest[..2].iter().all(u8::is_ascii_hexdigit) {
                return Err(PatternError::Escape(text.into()));
            }
        }
        let decoded: Cow<'_, [u8]> = percent_decode_str(text).into();
        if matches!(&*decoded, b"." | b"..") {
            return Err(PatternError::Dots(text.into()));
        }
        return Ok(Segment::Static(decoded.into_owned()));
    }
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let Some(inner) = inner.filter(|inner| !inner.contains(['{', '}'])) else {
        return Err(PatternError::Braces(text.into()));
    };
    let (name, tail) = match inner.strip_prefix('*') {
        Some(name) => (name, true),
        None => (inner, false),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(fits)
    {
        return Err(PatternError::Name(text.into()));
    }
    Ok(if tail { Segment::Tail(name.into()) } else { Segment::Param(name.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_read_segment_by_segment() {
        assert_eq!(parse("/"), Ok(vec![Segment::Static(vec![])]));
        assert_eq!(
            parse("/caf%C3%A9/{id}/{*rest}"),
            Ok(vec![
                Segment::Static("café".into()),
                Segment::Param("id".into()),
                Segment::Tail("rest".into()),
            ])
        );
        assert_eq!(parse("/a/"), Ok(vec![Segment::Static(b"a".to_vec()), Segment::Static(vec![])]));
    }

    #[test]
    fn each_way_to_write_a_wrong_pattern_has_its_own_reason() {
        for (pattern, error) in [
            ("", PatternError::NotAbsolute),
            ("photos", PatternError::NotAbsolute),
            ("/a//b", PatternError::EmptySegment),
            ("//", PatternError::EmptySegment),
            ("/a/../b", PatternError::Dots("..".into())),
            ("/a/%2e%2E", PatternError::Dots("%2e%2E".into())),
            ("/a b", PatternError::Character(' ')),
            ("/a?b=c", PatternError::Character('?')),
            ("/100%", PatternError::Escape("100%".into())),
            ("/%zz", PatternError::Escape("%zz".into())),
            ("/img-{id}.png", PatternError::Braces("img-{id}.png".into())),
            ("/{a}{b}", PatternError::Braces("{a}{b}".into())),
            ("/{id", PatternError::Braces("{id".into())),
            ("/{}", PatternError::Name("{}".into())),
            ("/{*}", PatternError::Name("{*}".into())),
            ("/{a-b}", PatternError::Name("{a-b}".into())),
            ("/{1}", PatternError::Name("{1}".into())),
            ("/{a}/x/{a}", PatternError::Twice("a".into())),
            ("/{a}/{*a}", PatternError::Twice("a".into())),
            ("/{*rest}/x", PatternError::TailNotLast("rest".into())),
            ("/{*rest}/", PatternError::TailNotLast("rest".into())),
        ] {
            assert_eq!(parse(pattern), Err(error), "{pattern}");
        }
        assert_eq!(parse(&format!("/{}", "a".repeat(1024))), Err(PatternError::TooLong));
    }
}
