//! Typed reading of TOML values, each mistake placed.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::keys::{Status, Vocabulary, nearest};
use crate::problem::Problems;

pub(crate) type Span = Range<usize>;

/// One table of the manifest.
pub(crate) struct Table<'a> {
    table: &'a DeTable<'a>,
    span: Span,
}

impl<'a> Table<'a> {
    pub(crate) fn new(table: &'a DeTable<'a>, span: Span) -> Self {
        Self { table, span }
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Reports the keys that `vocabulary` does not know or that this build does not enforce.
    /// `place` tells where we are: "function `thumb`".
    pub(crate) fn check_keys(&self, vocabulary: Vocabulary, place: &str, problems: &mut Problems) {
        for key in self.table.keys() {
            let name = key.get_ref().as_ref();
            match vocabulary.iter().find(|(known, _)| *known == name) {
                Some((_, Status::Enforced)) => {}
                Some((_, Status::Later)) => problems.add_with_help(
                    key.span(),
                    format!("`{name}` is not in this build yet"),
                    "remove it: nothing here would enforce it",
                ),
                None => {
                    let message = format!("{place} has no key `{name}`");
                    let known = vocabulary.iter().map(|(known, _)| *known);
                    let help = match nearest(name, known.clone()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("its keys are {}", known.collect::<Vec<_>>().join(", ")),
                    };
                    problems.add_with_help(key.span(), message, help);
                }
            }
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (Spanned<&'a str>, Value<'a>)> {
        self.table.iter().map(|(key, value)| {
            let name = key.get_ref().as_ref();
            (Spanned::new(key.span(), name), Value { key: name, value })
        })
    }

    pub(crate) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        self.table.get(key).map(|value| Value { key, value })
    }
}

/// One value, with the key that messages call it by.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    key: &'a str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    pub(crate) fn span(self) -> Span {
        self.value.span()
    }

    fn wrong(self, wanted: &str, problems: &mut Problems) {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        problems.add(self.span(), format!("`{}` must be {wanted}, not {found}", self.key));
    }

    pub(crate) fn string(self, problems: &mut Problems) -> Option<Spanned<&'a str>> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(self.span(), text.as_ref())),
            DeValue::Integer(number) => {
                problems.add_with_help(
                    self.span(),
                    format!("`{}` must be a string, not an integer", self.key),
                    format!("write it in quotes: \"{number}\""),
                );
                None
            }
            _ => {
                self.wrong("a string", problems);
                None
            }
        }
    }

    /// A value with a unit, such as a size.
    pub(crate) fn quantity<T: std::str::FromStr<Err: ToString>>(
        self,
        unit: &str,
        problems: &mut Problems,
    ) -> Option<Spanned<T>> {
        if let DeValue::Integer(number) = self.value.get_ref() {
            problems.add_with_help(
                self.span(),
                format!("`{}` needs a unit", self.key),
                format!("write \"{number}{unit}\""),
            );
            return None;
        }
        let text = self.string(problems)?;
        match text.get_ref().parse() {
            Ok(value) => Some(Spanned::new(text.span(), value)),
            Err(error) => {
                problems.add(text.span(), error.to_string());
                None
            }
        }
    }

    pub(crate) fn integer(self, problems: &mut Problems) -> Option<Spanned<i64>> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            self.wrong("an integer", problems);
            return None;
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(value) => Some(Spanned::new(self.span(), value)),
            Err(_) => {
                problems.add(self.span(), format!("`{}` is out of range", self.key));
                None
            }
        }
    }

    /// An integer or a float.
    pub(crate) fn number(self, problems: &mut Problems) -> Option<Spanned<f64>> {
        let number = match self.value.get_ref() {
            DeValue::Integer(_) => self.integer(problems)?.into_inner() as f64,
            DeValue::Float(number) => number.as_str().parse().unwrap_or(f64::NAN),
            _ => {
                self.wrong("a number", problems);
                return None;
            }
        };
        Some(Spanned::new(self.span(), number))
    }

    pub(crate) fn table(self, problems: &mut Problems) -> Option<Table<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(Table::new(table, self.span())),
            _ => {
                self.wrong("a table", problems);
                None
            }
        }
    }

    pub(crate) fn array(self, problems: &mut Problems) -> Option<Vec<Value<'a>>> {
        match self.value.get_ref() {
            DeValue::Array(array) => {
                Some(array.iter().map(|value| Value { key: self.key, value }).collect())
            }
            _ => {
                self.wrong("an array", problems);
                None
            }
        }
    }

    /// An array of strings; what is not a string is reported and left out.
    pub(crate) fn strings(self, problems: &mut Problems) -> Option<Vec<Spanned<&'a str>>> {
        if let DeValue::String(text) = self.value.get_ref() {
            problems.add_with_help(
                self.span(),
                format!("`{}` must be an array, not a string", self.key),
                format!("write [\"{}\"]", text.escape_debug()),
            );
            return None;
        }
        let items = self.array(problems)?;
        let mut strings = Vec::with_capacity(items.len());
        for item in items {
            match item.value.get_ref() {
                DeValue::String(text) => strings.push(Spanned::new(item.span(), text.as_ref())),
                _ => problems
                    .add(item.span(), format!("`{}` must hold strings and nothing else", self.key)),
            }
        }
        Some(strings)
    }
}
