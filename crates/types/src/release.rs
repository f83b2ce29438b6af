//! Releases of an app: what they route, and which of them are live.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::FunctionName;

/// The number of a release, from 1, per app, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReleaseNumber(pub u64);

impl fmt::Display for ReleaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A path and its methods, to a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// `/photos/{id}`: `{name}` takes one segment, `{*rest}` the tail.
    pub path: String,
    /// The methods it takes; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The function that answers.
    pub function: FunctionName,
}

/// Why weights do not make a `live`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// Nothing would be live.
    #[error("at least one release must have a weight above 0")]
    Empty,
    /// One release twice.
    #[error("release {0} is named twice")]
    Twice(ReleaseNumber),
}

/// Which releases take traffic, by weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<(ReleaseNumber, u32)>", into = "Vec<(ReleaseNumber, u32)>")]
pub struct Live(Vec<(ReleaseNumber, u32)>);

impl Live {
    /// All traffic to `release`.
    pub fn only(release: ReleaseNumber) -> Self {
        Self(vec![(release, 100)])
    }

    /// Traffic in proportion to the weights. Releases of weight 0 are left out.
    pub fn weighted(weights: Vec<(ReleaseNumber, u32)>) -> Result<Self, LiveError> {
        let weights: Vec<_> = weights.into_iter().filter(|(_, weight)| *weight > 0).collect();
        if weights.is_empty() {
            return Err(LiveError::Empty);
        }
        for (i, (release, _)) in weights.iter().enumerate() {
            if weights[..i].iter().any(|(other, _)| other == release) {
                return Err(LiveError::Twice(*release));
            }
        }
        Ok(Self(weights))
    }

    /// The releases with their weights, none of them 0.
    pub fn weights(&self) -> &[(ReleaseNumber, u32)] {
        &self.0
    }

    /// The release with the most weight, the newest of equals.
    pub fn main(&self) -> ReleaseNumber {
        let heaviest = self.0.iter().max_by_key(|(release, weight)| (*weight, *release));
        heaviest.map_or(ReleaseNumber(0), |(release, _)| *release)
    }
}

impl TryFrom<Vec<(ReleaseNumber, u32)>> for Live {
    type Error = LiveError;
    fn try_from(weights: Vec<(ReleaseNumber, u32)>) -> Result<Self, LiveError> {
        Self::weighted(weights)
    }
}

impl From<Live> for Vec<(ReleaseNumber, u32)> {
    fn from(live: Live) -> Self {
        live.0
    }
}
