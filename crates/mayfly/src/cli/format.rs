//! How lists are written.

use clap::{Args, ValueEnum};
use mayfly_types::Live;
use serde::Serialize;

use super::Failure;
use super::context::Context;

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// The option that chooses it.
#[derive(Debug, Args)]
pub(crate) struct FormatArgs {
    /// Form of the output
    #[arg(
        long,
        value_enum,
        default_value = "table",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    #[arg(help = "Form of the output: table or json")]
    format: Format,
}

impl FormatArgs {
    /// The form that was chosen.
    pub(crate) fn get(&self) -> Format {
        self.format
    }
}

/// Writes `value` as JSON: in lines for people, in one line for programs.
pub(crate) fn json(context: &Context<'_>, value: &impl Serialize) -> Result<(), Failure> {
    let text = if context.terminal.out_is_terminal {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    Ok(context.terminal.print(text.unwrap_or_else(|error| unreachable!("plain data: {error}")))?)
}

/// `3`, or `3 (90%), 4 (10%)`.
pub(crate) fn live(live: &Live) -> String {
    if let [(only, _)] = live.weights() {
        return only.to_string();
    }
    let sum: u64 = live.weights().iter().map(|(_, weight)| u64::from(*weight)).sum();
    let part =
        |(release, weight): &(_, u32)| format!("{release} ({})", percent(u64::from(*weight), sum));
    live.weights().iter().map(part).collect::<Vec<_>>().join(", ")
}

/// A part of a whole, never rounded to nothing or to all.
fn percent(part: u64, whole: u64) -> String {
    let tenths = (part * 1000 + whole / 2) / whole.max(1);
    match (tenths / 10, tenths % 10) {
        (0, 0) => "<0.1%".to_owned(),
        (100.., _) if part < whole => ">99.9%".to_owned(),
        (percent, 0) => format!("{percent}%"),
        (percent, tenth) => format!("{percent}.{tenth}%"),
    }
}

/// `1 function`, `2 functions`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use mayfly_types::ReleaseNumber;

    use super::*;

    #[test]
    fn weights_are_told_as_parts_of_a_hundred() {
        let live = |weights: &[(u64, u32)]| {
            let weights = weights.iter().map(|(number, weight)| (ReleaseNumber(*number), *weight));
            live(&Live::weighted(weights.collect()).unwrap())
        };
        assert_eq!(live(&[(3, 7)]), "3");
        assert_eq!(live(&[(3, 90), (4, 10)]), "3 (90%), 4 (10%)");
        assert_eq!(live(&[(3, 1), (4, 2)]), "3 (33.3%), 4 (66.7%)");
        assert_eq!(live(&[(3, 1), (4, 999_999)]), "3 (<0.1%), 4 (>99.9%)");
    }
}
