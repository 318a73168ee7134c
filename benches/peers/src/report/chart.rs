//! Pictures, as SVG: bars in groups, one of each, or lines from group to group.

use std::fmt::Write as _;

use crate::entrant::Entrant;
use crate::measure::Spread;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 44.0;
/// The names of groups stand below, and the legend below them.
const BOTTOM: f64 = 104.0;
/// Told apart by most people, whatever colours they see.
const COLOURS: [&str; 12] = [
    "#9aa0a6", "#0057b8", "#6cb4ee", "#d1495b", "#edae49", "#00798c", "#7b4b94", "#66a182",
    "#8d5524", "#2e2e2e", "#f4a6b7", "#a3b18a",
];
/// A bar that is this many times as high as the median one is cut off, and says its value.
const CUT_OFF: f64 = 4.0;

pub(crate) struct Chart {
    title: String,
    entrants: Vec<Entrant>,
    kind: Kind,
    groups: Vec<(String, Vec<(Entrant, Spread)>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bars,
    Lines,
}

impl Chart {
    /// Bars of each, in groups.
    pub(crate) fn bars(title: &str, entrants: &[Entrant]) -> Self {
        Self::new(title, entrants, Kind::Bars)
    }

    /// A line of each, through all groups.
    pub(crate) fn lines(title: &str, entrants: &[Entrant]) -> Self {
        Self::new(title, entrants, Kind::Lines)
    }

    fn new(title: &str, entrants: &[Entrant], kind: Kind) -> Self {
        Self { title: title.to_owned(), entrants: entrants.to_vec(), kind, groups: Vec::new() }
    }

    /// Values come group by group.
    pub(crate) fn add(&mut self, group: &str, entrant: Entrant, value: Spread) {
        match self.groups.last_mut().filter(|(name, _)| name == group) {
            Some((_, values)) => values.push((entrant, value)),
            None => self.groups.push((group.to_owned(), vec![(entrant, value)])),
        }
    }

    pub(crate) fn to_svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{}</text>\n",
            self.title
        );
        let scale = Scale::up_to(self.highest());
        scale.draw(&mut svg);
        match self.kind {
            Kind::Bars => self.draw_bars(&mut svg, &scale),
            Kind::Lines => self.draw_lines(&mut svg, &scale),
        }
        self.draw_names(&mut svg);
        self.draw_legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    /// The highest value that is shown in full.
    fn highest(&self) -> f64 {
        let values = || self.groups.iter().flat_map(|(_, it)| it).map(|(_, it)| it.upper);
        let median = Spread::of(values()).map_or(1.0, |spread| spread.median);
        values().fold(0.0, f64::max).min(CUT_OFF * median)
    }

    fn draw_bars(&self, svg: &mut String, scale: &Scale) {
        let width = self.group_width() * 0.86 / self.entrants.len() as f64;
        for (at, (_, values)) in self.groups.iter().enumerate() {
            let left = LEFT + (at as f64 + 0.07) * self.group_width();
            for (entrant, value) in values {
                let place = self.place(*entrant);
                let (x, y) = (left + place as f64 * width, scale.y(value.median));
                let middle = x + width * 0.46;
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
                     fill=\"{}\"><title>{entrant}: {}</title></rect>",
                    width * 0.92,
                    HEIGHT - BOTTOM - y,
                    COLOURS[place % COLOURS.len()],
                    short(value.median),
                );
                if value.median > scale.top {
                    let _ = writeln!(
                        svg,
                        "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"9\" \
                         text-anchor=\"middle\">{}</text>",
                        TOP - 4.0,
                        short(value.median)
                    );
                } else if value.upper > value.lower {
                    // The quartiles.
                    let (from, to) = (scale.y(value.lower), scale.y(value.upper));
                    let _ = writeln!(
                        svg,
                        "<path d=\"M{middle:.1} {from:.1}V{to:.1}\" stroke=\"black\"/>"
                    );
                }
            }
        }
    }

    fn draw_lines(&self, svg: &mut String, scale: &Scale) {
        for (place, entrant) in self.entrants.iter().enumerate() {
            let colour = COLOURS[place % COLOURS.len()];
            let points = self.groups.iter().enumerate().filter_map(|(at, (_, values))| {
                let (_, value) = values.iter().find(|(owner, _)| owner == entrant)?;
                let x = LEFT + (at as f64 + 0.5) * self.group_width();
                Some(format!("{x:.1},{:.1}", scale.y(value.median)))
            });
            let points: Vec<_> = points.collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\">\
                 <title>{entrant}</title></polyline>",
                points.join(" ")
            );
        }
    }

    fn draw_names(&self, svg: &mut String) {
        for (at, (name, _)) in self.groups.iter().enumerate() {
            let x = LEFT + (at as f64 + 0.5) * self.group_width();
            let y = HEIGHT - BOTTOM + 18.0;
            let _ =
                writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>");
        }
    }

    fn draw_legend(&self, svg: &mut String) {
        // Five to a line.
        let column = (WIDTH - LEFT - RIGHT) / 5.0;
        for (place, entrant) in self.entrants.iter().enumerate() {
            let x = LEFT + (place % 5) as f64 * column;
            let y = HEIGHT - 60.0 + (place / 5) as f64 * 20.0;
            let colour = COLOURS[place % COLOURS.len()];
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{y:.1}\">{entrant}</text>",
                y - 10.0,
                x + 18.0
            );
        }
    }

    fn group_width(&self) -> f64 {
        (WIDTH - LEFT - RIGHT) / self.groups.len().max(1) as f64
    }

    fn place(&self, entrant: Entrant) -> usize {
        self.entrants.iter().position(|&other| other == entrant).unwrap_or_default()
    }
}

/// From values to heights, from 0 on.
struct Scale {
    step: f64,
    top: f64,
}

impl Scale {
    /// With round steps, of which there are about five.
    fn up_to(highest: f64) -> Self {
        let rough = (highest / 5.0).max(f64::MIN_POSITIVE);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|&it| it >= rough);
        let step = step.unwrap_or(10.0 * power);
        Self { step, top: (highest / step).ceil().max(1.0) * step }
    }

    /// What is beyond the top is cut off.
    fn y(&self, value: f64) -> f64 {
        let share = (value / self.top).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    }

    fn draw(&self, svg: &mut String) {
        let count = (self.top / self.step).round() as usize;
        for value in (0..=count).map(|at| at as f64 * self.step) {
            let y = self.y(value);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#dddddd\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0,
                short(value)
            );
        }
    }
}

/// As many digits as it takes.
fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        ..10.0 => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        ..100.0 => format!("{value:.1}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entrant::Coding;
    use crate::peer::Peer;

    #[test]
    fn scales_have_round_steps_and_hold_the_highest_value() {
        for (highest, step, top) in [(4.9, 1.0, 5.0), (5.1, 2.0, 6.0), (73.0, 20.0, 80.0)] {
            let scale = Scale::up_to(highest);
            assert_eq!((scale.step, scale.top), (step, top), "{highest}");
            assert_eq!((scale.y(0.0), scale.y(top)), (HEIGHT - BOTTOM, TOP));
        }
        assert!(Scale::up_to(0.0).y(0.0).is_finite(), "of nothing too");
    }

    #[test]
    fn every_value_has_its_bar() {
        let coded = Entrant { peer: Peer::Tickwire, coding: Coding::Shared };
        let mut chart = Chart::bars("title", &[Entrant::FLOOR, coded]);
        for group in ["one", "two"] {
            for (entrant, median) in [(Entrant::FLOOR, 1.0), (coded, 1.2)] {
                chart.add(group, entrant, Spread { lower: 0.9, median, upper: 1.3 });
            }
        }
        let svg = chart.to_svg();
        assert_eq!(svg.matches("<title>raw: 1</title>").count(), 2);
        assert_eq!(svg.matches("<title>tickwire, shared: 1.2</title>").count(), 2);
        assert!(svg.ends_with("</svg>\n"));
    }
}
