//! How many changes when, as inline SVG: bars of what became worse, better, or unknown.
//!
//! The colours are names for the style sheet, which has one set for light and one for dark.

use eic_doctor_agent::report::rfc3339;
use eic_doctor_proto::Status;
use maud::{Markup, PreEscaped, html};
use plotters::prelude::*;

use super::layout::{number, text};
use crate::store::Millis;

const MINUTE: Millis = 60_000;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// What the chart covers, and how wide its bars are.
pub(super) struct Span {
    pub key: &'static str,
    pub words: &'static str,
    pub bucket: Millis,
    buckets: u64,
}

pub(super) const SPANS: [Span; 3] = [
    Span { key: "day", words: "the last 24 hours", bucket: 30 * MINUTE, buckets: 48 },
    Span { key: "week", words: "the last 7 days", bucket: 4 * HOUR, buckets: 42 },
    Span { key: "quarter", words: "the last 90 days", bucket: 2 * DAY, buckets: 45 },
];

/// The first where the key is no other's.
pub(super) fn span(key: &str) -> &'static Span {
    SPANS.iter().find(|span| span.key == key).unwrap_or(&SPANS[0])
}

impl Span {
    /// The beginning of its first bar.
    pub fn from(&self, now: Millis) -> Millis {
        (now / self.bucket).saturating_sub(self.buckets - 1) * self.bucket
    }
}

/// What a change became, from the bottom of a bar to its top.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Became {
    Worse,
    Unknown,
    Better,
}

const KINDS: [(Became, RGBColor, &str); 3] = [
    (Became::Worse, RGBColor(0xcc, 0, 1), "became a finding"),
    (Became::Unknown, RGBColor(0x77, 0x77, 1), "became unknown"),
    (Became::Better, RGBColor(0, 0x88, 1), "became well"),
];
/// Texts and axes.
const INK: RGBColor = RGBColor(0x55, 0x55, 0x55);

fn became(status: Status) -> Became {
    match status {
        Status::Fail | Status::Warn => Became::Worse,
        Status::Ok | Status::NotApplicable => Became::Better,
        Status::Unknown | Status::Blocked => Became::Unknown,
    }
}

pub(super) fn chart(counts: &[(Millis, Status, u64)], span: &Span, now: Millis) -> Markup {
    let from = span.from(now);
    let mut bars = vec![[0_u64; 3]; usize::try_from(span.buckets).unwrap_or_default()];
    for (at, status, count) in counts {
        let place = usize::try_from(at.saturating_sub(from) / span.bucket).unwrap_or(usize::MAX);
        let kind = KINDS.iter().position(|(kind, ..)| *kind == became(*status)).unwrap_or_default();
        if let Some(bar) = bars.get_mut(place) {
            bar[kind] += count;
        }
    }
    let of_kind = |kind: usize| bars.iter().map(|bar| bar[kind]).sum::<u64>();
    let told: Vec<String> =
        KINDS.iter().enumerate().map(|(kind, (_, _, words))| format!("{} {words}", number(of_kind(kind)))).collect();
    html! {
        figure.chart {
            div.scroll tabindex="0" role="region" aria-label="A chart that may scroll" {
                div role="img" aria-label={ "Changes in " (span.words) ": " (told.join(", ")) } {
                    @match drawn(&bars, span, from) {
                        Ok(svg) => (PreEscaped(svg)),
                        Err(why) => { p { "The chart could not be drawn: " (text(&why)) } }
                    }
                }
            }
            figcaption {
                @for ((kind, _, _), words) in KINDS.iter().zip(&told) {
                    span.key { span class={ "swatch " (class(*kind)) } aria-hidden="true" {} (words) }
                }
            }
        }
    }
}

fn class(kind: Became) -> &'static str {
    match kind {
        Became::Worse => "fail",
        Became::Unknown => "unknown",
        Became::Better => "ok",
    }
}

/// Only numbers and times go in.
fn drawn(bars: &[[u64; 3]], span: &Span, from: Millis) -> Result<String, String> {
    let highest = bars.iter().map(|bar| bar.iter().sum::<u64>()).max().unwrap_or_default().max(4);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (960, 200)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_right(24)
            .x_label_area_size(28)
            .y_label_area_size(44)
            .build_cartesian_2d(0..span.buckets, 0..highest + highest.div_ceil(10))
            .map_err(|error| error.to_string())?;
        let label = |place: &u64| moment(from + place * span.bucket, span);
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(INK.mix(0.25))
            .axis_style(INK.mix(0.5))
            .label_style(("sans-serif", 12).into_font().color(&INK))
            .x_labels(7)
            .y_labels(4)
            .x_label_formatter(&label)
            .draw()
            .map_err(|error| error.to_string())?;
        for (place, bar) in (0..).zip(bars) {
            let mut from = 0;
            for ((_, colour, _), count) in KINDS.iter().zip(bar).filter(|(_, count)| **count > 0) {
                let mut rectangle = Rectangle::new([(place, from), (place + 1, from + count)], colour.filled());
                rectangle.set_margin(0, 0, 1, 1);
                chart.draw_series([rectangle]).map_err(|error| error.to_string())?;
                from += count;
            }
        }
        area.present().map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

/// The hour where bars are shorter than a day's half, else the day; UTC.
fn moment(at: Millis, span: &Span) -> String {
    let stamp = rfc3339(at / 1_000);
    let part = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or_default().to_owned();
    if span.bucket < HOUR { part(11..16) } else { part(5..10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_stands_in_its_bar_and_in_the_words_beside() {
        let now = 1_800_000_000_000;
        let span = span("day");
        let from = span.from(now);
        assert!(from <= now - 23 * HOUR && from > now - 25 * HOUR);
        let counts =
            [(from, Status::Fail, 3), (from, Status::Warn, 1), (now / span.bucket * span.bucket, Status::Ok, 2)];
        let drawn = chart(&counts, span, now).into_string();
        assert!(drawn.contains("4 became a finding, 0 became unknown, 2 became well"), "{drawn}");
        let bars = |colour: &str| drawn.matches(&format!("fill=\"{colour}\"")).count();
        assert_eq!((bars("#CC0001"), bars("#777701"), bars("#008801")), (1, 0, 1), "{drawn}");
        assert!(!drawn.contains("style="), "a style in the text is against our own policy: {drawn}");
    }

    #[test]
    fn an_unknown_span_is_the_first() {
        assert_eq!(span("century").key, "day");
        assert_eq!(span("quarter").key, "quarter");
    }
}
