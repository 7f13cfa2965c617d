//! Charts as SVG and PNG. No display and no font of the system is needed: letters are measured and drawn
//! with a font in the binary.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};
use thiserror::Error;

const SIZE: (u32, u32) = (640, 420);
const FONT: &str = "sans-serif";
/// Apart for people who see colours otherwise, too (the set of Okabe and Ito).
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(120, 120, 120)];

/// What a chart shows.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Chart {
    /// What stands above it.
    pub title: String,
    /// What the axes measure.
    pub axes: [String; 2],
    /// How far they go, from 0.
    pub reach: [f64; 2],
    /// Names for the whole numbers of the first axis, from 0, in the place of numbers.
    pub names: Vec<String>,
    /// What is drawn, the first lowest.
    pub marks: Vec<Mark>,
}

/// Something drawn in one colour.
#[derive(Clone, PartialEq, Debug)]
pub struct Mark {
    /// What the legend calls it; what has no name is not in the legend.
    pub name: String,
    /// The colour's number.
    pub colour: usize,
    /// Its form.
    pub form: Form,
}

/// The form of a mark.
#[derive(Clone, PartialEq, Debug)]
pub enum Form {
    /// A line through points.
    Line(Vec<(f64, f64)>),
    /// Dots.
    Dots(Vec<(f64, f64)>),
    /// Bars: from, to, height.
    Bars(Vec<(f64, f64, f64)>),
}

/// Why a chart cannot be drawn.
#[derive(Debug, Error)]
pub enum ChartError {
    /// The font in the binary is none.
    #[error("the font for plots cannot be read")]
    Font,
    /// The drawing library refuses.
    #[error("a plot cannot be drawn: {0}")]
    Drawing(String),
    /// The picture cannot be packed.
    #[error("a plot cannot be packed as PNG: {0}")]
    Png(#[from] png::EncodingError),
}

impl Chart {
    /// The chart as an SVG.
    pub fn svg(&self) -> Result<String, ChartError> {
        font()?;
        let mut text = String::new();
        self.draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area())?;
        Ok(text)
    }

    /// The chart as a PNG.
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        font()?;
        let (width, height) = SIZE;
        let bytes = usize::try_from(width * height * 3).unwrap_or_default();
        let mut pixels = vec![255; bytes];
        self.draw(&BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area())?;
        let mut packed = Vec::new();
        let mut encoder = png::Encoder::new(&mut packed, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header()?.write_image_data(&pixels)?;
        Ok(packed)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), ChartError> {
        self.drawn(area).map_err(|error| ChartError::Drawing(error.to_string()))
    }

    fn drawn<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let [x, y] = self.reach;
        let from = if self.names.is_empty() { 0.0 } else { -0.5 };
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(from..x, 0.0..y)?;
        let name = |at: &f64| -> String {
            if self.names.is_empty() {
                return short(*at);
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a position among few names"
            )]
            let place = at.round().max(0.0) as usize;
            let near = (at - at.round()).abs() < 0.01 && *at > -0.01;
            self.names.get(place).filter(|_| near).cloned().unwrap_or_default()
        };
        let labels = if self.names.is_empty() { 6 } else { self.names.len() * 2 };
        let [x_title, y_title] = &self.axes;
        chart
            .configure_mesh()
            .x_labels(labels)
            .y_labels(6)
            .x_label_formatter(&name)
            .y_label_formatter(&|at| short(*at))
            .x_desc(x_title)
            .y_desc(y_title)
            .light_line_style(WHITE)
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 14))
            .draw()?;
        for mark in &self.marks {
            let colour = COLOURS.get(mark.colour).copied().unwrap_or(BLACK);
            let drawn = match &mark.form {
                Form::Line(points) => chart
                    .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?,
                Form::Dots(points) => {
                    let dot = |point: &(f64, f64)| Circle::new(*point, 5, colour.filled());
                    chart.draw_series(points.iter().map(dot))?
                }
                Form::Bars(bars) => {
                    let bar = |(from, to, height): &(f64, f64, f64)| {
                        Rectangle::new([(*from, 0.0), (*to, *height)], colour.mix(0.75).filled())
                    };
                    chart.draw_series(bars.iter().map(bar))?
                }
            };
            if !mark.name.is_empty() {
                let sample =
                    move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled());
                drawn.label(&mark.name).legend(sample);
            }
        }
        if self.marks.iter().any(|mark| !mark.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.8))
                .border_style(RGBColor(200, 200, 200))
                .label_font((FONT, 13))
                .draw()?;
        }
        area.present()
    }
}

/// A number on an axis, without needless digits.
fn short(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Makes the font known, once.
fn font() -> Result<(), ChartError> {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    let known = KNOWN
        .get_or_init(|| register_font(FONT, FontStyle::Normal, dejavu::sans::regular()).is_ok());
    known.then_some(()).ok_or(ChartError::Font)
}

#[cfg(test)]
mod tests {
    use super::{Chart, Form, Mark};

    #[test]
    fn a_chart_is_drawn_without_a_display_or_a_font_of_the_system() {
        let mark = |colour, form| Mark { name: "a <name>".to_owned(), colour, form };
        let chart = Chart {
            title: "title & all".to_owned(),
            axes: ["across".to_owned(), "up".to_owned()],
            reach: [2.0, 1.0],
            names: vec!["S1".to_owned(), "S2".to_owned()],
            marks: vec![
                mark(0, Form::Bars(vec![(0.0, 0.4, 0.5)])),
                mark(1, Form::Line(vec![(0.0, 0.1), (1.0, 0.9)])),
                mark(2, Form::Dots(vec![(0.5, 0.5)])),
            ],
        };
        let svg = chart.svg().unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("title &amp; all"), "{svg}");
        assert!(svg.contains("a &lt;name&gt;") && svg.contains("S2"), "{svg}");
        let png = chart.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        // The letters are there: the strip of the title is not all white.
        assert!(pixels[..640 * 3 * 36].iter().any(|byte| *byte < 128), "no title was drawn");
    }
}
