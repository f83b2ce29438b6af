//! A bench's medians as a picture: one panel per unit, one bar per series, least and most as whiskers.

use std::fmt::Write as _;

use super::report::{Report, Series, number};
use super::stats;

/// The yardsticks' bars are of another colour. Their names are those of series up to a comma.
const YARDSTICKS: [&str; 13] = [
    "bare",
    "node",
    "workerd",
    "wserve",
    "wserve tuned",
    "uvicorn",
    "puma",
    "bare loop",
    "bwrap",
    "runc",
    "fork+exec",
    "fork+exec of true",
    "sqlite",
];

// Lengths are in pixels.
const MARGIN: f64 = 16.0;
const TITLE: f64 = 34.0;
const HEADING: f64 = 26.0;
const ROW: f64 = 22.0;
const BAR: f64 = 12.0;
const GAP: f64 = 12.0;
/// Width of the widest bar or whisker.
const BARS: f64 = 420.0;
/// Room for a number.
const VALUE: f64 = 84.0;
/// Room for one letter of a label: no letter's own, because nothing here knows the reader's font.
const LETTER: f64 = 6.6;

/// Series that share a scale.
struct Panel<'a> {
    /// Their unit, and what all their names end with.
    heading: String,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    label: &'a str,
    yardstick: bool,
    /// Least, median and most; none of a yardstick that is missing.
    values: Option<[f64; 3]>,
}

/// The picture of a report.
pub(super) fn svg(title: &str, report: &Report) -> String {
    let panels = panels(report);
    let letters = |row: &Row<'_>| row.label.chars().count() as f64 * LETTER;
    let labels = panels.iter().flat_map(|panel| &panel.rows).map(letters).fold(60.0, f64::max);
    let left = MARGIN + labels + 10.0;
    let title_width = title.chars().count() as f64 * (LETTER + 1.6);
    let width = (left + BARS + VALUE).max(title_width) + MARGIN;
    let heights = panels.iter().map(|panel| HEADING + panel.rows.len() as f64 * ROW + GAP);
    let height = TITLE + heights.sum::<f64>() + MARGIN;

    let mut svg = String::new();
    let name = escape(title);
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{name}\">\n\
         <style>\n\
         text {{ font: 12px system-ui, sans-serif; fill: #1f2328 }}\n\
         .title {{ font-size: 14px; font-weight: 600 }}\n\
         .heading {{ font-weight: 600; fill: #59636e }}\n\
         .missing {{ font-style: italic; fill: #9a3412 }}\n\
         .label {{ text-anchor: end }}\n\
         .mayfly {{ fill: #7aa7ea }}\n\
         .yardstick {{ fill: #b1bac4 }}\n\
         .note {{ font-weight: 400 }}\n\
         .whisker {{ stroke: #1f2328; fill: none }}\n\
         .axis {{ stroke: #d1d9e0 }}\n\
         </style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text class=\"title\" x=\"{MARGIN}\" y=\"24\">{name}</text>\n"
    );
    let mut top = TITLE;
    for panel in &panels {
        top = panel.draw(&mut svg, left, top);
    }
    svg.push_str("</svg>\n");
    svg
}

/// The same in words, for those who cannot see it: the first panel's medians.
pub(super) fn in_words(report: &Report) -> String {
    let panels = panels(report);
    let Some(first) = panels.first() else { return "Nothing was measured".into() };
    let rows = first.rows.iter().map(|row| match row.values {
        Some([_, median, _]) => format!("{} {}", row.label, number(median)),
        None => format!("{} missing", row.label),
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    let text = format!("Bars of the medians, {}: {rows}", first.heading);
    // What would end the text, or a cell of a table.
    text.replace(['[', ']', '\n', '|'], " ")
}

/// Panels in the order in which the report first has a series of each.
fn panels(report: &Report) -> Vec<Panel<'_>> {
    let mut panels: Vec<Panel<'_>> = Vec::new();
    for series in &report.series {
        let (label, heading) = place(series);
        let row = Row {
            label,
            yardstick: YARDSTICKS.contains(&label.split(", ").next().unwrap_or(label)),
            values: series.missing.is_none().then(|| spread(&series.samples)),
        };
        match panels.iter_mut().find(|panel| panel.heading == heading) {
            Some(panel) => panel.rows.push(row),
            None => panels.push(Panel { heading, rows: vec![row] }),
        }
    }
    panels
}

/// The label of a series, and the heading of its panel.
fn place(series: &Series) -> (&str, String) {
    // Usual answers and slow ones have the same unit and no common scale.
    for percentile in ["p50", "p99"] {
        let label = series.name.strip_suffix(percentile).and_then(|name| name.strip_suffix(", "));
        if let Some(label) = label {
            return (label, format!("{percentile}, {}", series.unit));
        }
    }
    (&series.name, series.unit.clone())
}

fn spread(samples: &[f64]) -> [f64; 3] {
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [least, stats::median(samples), most]
}

impl Panel<'_> {
    /// Draws it below `top` and returns where the next one begins.
    fn draw(&self, svg: &mut String, left: f64, top: f64) -> f64 {
        let heading = escape(&self.heading);
        let _ = writeln!(
            svg,
            "<text class=\"heading\" x=\"{left:.1}\" y=\"{:.1}\">{heading}\
             <tspan class=\"note\">: median, least and most</tspan></text>",
            top + 17.0
        );
        let most = self.rows.iter().filter_map(|row| Some(row.values?[2])).fold(0.0, f64::max);
        // Samples may all be 0.
        let scale = if most > 0.0 { BARS / most } else { 0.0 };
        let mut row_top = top + HEADING;
        for row in &self.rows {
            row.draw(svg, left, row_top, scale);
            row_top += ROW;
        }
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{left:.1}\" x2=\"{left:.1}\" y1=\"{:.1}\" y2=\"{row_top:.1}\"/>",
            top + HEADING
        );
        row_top + GAP
    }
}

impl Row<'_> {
    fn draw(&self, svg: &mut String, left: f64, top: f64, scale: f64) {
        let (middle, base) = (top + ROW / 2.0, top + ROW / 2.0 + 4.0);
        let (label, labels) = (escape(self.label), left - 10.0);
        let _ =
            writeln!(svg, "<text class=\"label\" x=\"{labels:.1}\" y=\"{base:.1}\">{label}</text>");
        let Some(values) = self.values else {
            let _ = writeln!(
                svg,
                "<text class=\"missing\" x=\"{:.1}\" y=\"{base:.1}\">missing</text>",
                left + 8.0
            );
            return;
        };
        let [least, median, most] = values.map(|value| value.max(0.0) * scale);
        let class = if self.yardstick { "yardstick" } else { "mayfly" };
        let _ = writeln!(
            svg,
            "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{:.1}\" width=\"{median:.1}\" height=\"{BAR}\"/>",
            middle - BAR / 2.0
        );
        let (from, to) = (left + least, left + most);
        let (above, below) = (middle - 4.0, middle + 4.0);
        // One sample has no spread.
        if to > from {
            let _ = writeln!(
                svg,
                "<path class=\"whisker\" d=\"M{from:.1} {above:.1}V{below:.1}M{from:.1} {middle:.1}H{to:.1}\
             M{to:.1} {above:.1}V{below:.1}\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{base:.1}\">{}</text>",
            to.max(left + median) + 8.0,
            number(values[1])
        );
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no way to write the others.
            control if control.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.samples("mayfly", "requests/s", vec![100.0, 300.0, 200.0]);
        report.samples("node", "requests/s", vec![400.0]);
        report.missing("workerd", "requests/s", "npm is not installed");
        report.samples("mayfly, p99", "ms", vec![2.0]);
        report.samples("memory <of> \"one\" & all", "MB", vec![0.0]);
        report
    }

    #[test]
    fn series_of_one_unit_share_a_panel() {
        let report = report();
        let panels = panels(&report);
        let headings: Vec<&str> = panels.iter().map(|panel| panel.heading.as_str()).collect();
        assert_eq!(headings, ["requests/s", "p99, ms", "MB"]);
        let labels: Vec<&str> = panels[0].rows.iter().map(|row| row.label).collect();
        assert_eq!(labels, ["mayfly", "node", "workerd"]);
        assert_eq!(panels[0].rows[0].values, Some([100.0, 200.0, 300.0]));
        assert_eq!(panels[1].rows[0].label, "mayfly");
    }

    #[test]
    fn the_longest_bar_fills_its_panel_and_the_others_are_in_proportion() {
        let svg = svg("a bench", &report());
        assert!(svg.contains("class=\"yardstick\"") && svg.contains("width=\"420.0\""), "{svg}");
        assert!(svg.contains("class=\"mayfly\"") && svg.contains("width=\"210.0\""), "{svg}");
    }

    #[test]
    fn a_missing_yardstick_is_named_as_missing() {
        let report = report();
        let svg = svg("a bench", &report);
        let after = svg.split(">workerd</text>").nth(1).unwrap();
        assert!(after.trim_start().starts_with("<text class=\"missing\""), "{after}");
        assert!(in_words(&report).ends_with("mayfly 200, node 400, workerd missing"));
    }

    #[test]
    fn what_xml_would_read_is_escaped() {
        let svg = svg("<b> & \"c\"", &report());
        assert!(svg.contains("aria-label=\"&lt;b&gt; &amp; &quot;c&quot;\""), "{svg}");
        assert!(svg.contains("memory &lt;of&gt; &quot;one&quot; &amp; all"), "{svg}");
        assert_eq!(escape("a\u{0}b\nc"), "a b c");
    }

    #[test]
    fn nothing_measured_is_a_picture_too() {
        let report = Report::default();
        assert!(svg("empty", &report).ends_with("</svg>\n"));
        assert_eq!(in_words(&report), "Nothing was measured");
    }

    #[test]
    fn samples_of_nothing_have_a_bar_of_no_length() {
        let mut report = Report::default();
        report.samples("processes left", "", vec![0.0, 0.0]);
        let svg = svg("idle", &report);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn the_same_report_gives_the_same_picture() {
        assert_eq!(svg("a bench", &report()), svg("a bench", &report()));
    }
}
