//! A figure as rectangles, texts and lines, between its layout and the library that draws it.

use plotters::backend::DrawingBackend;
use plotters_backend::{BackendColor, BackendStyle, DrawingErrorKind};

use crate::colormap::Rgb;
use crate::font::{Anchor, TextStyle, text_width};

/// One thing to draw, in pixels of a figure that isn't magnified.
///
/// Upright and level lines are thin rectangles: they stay sharp at every magnification, and both
/// backends draw them alike.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Rect {
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        color: Rgb,
    },
    /// A text whose lower-case letters are centred at `y`; a turned one is read upwards, its
    /// letters centred at `x`.
    Text {
        x: i32,
        y: i32,
        em: f32,
        anchor: Anchor,
        turned: bool,
        color: Rgb,
        text: String,
    },
    /// Points joined by a line.
    Path {
        points: Vec<(i32, i32)>,
        width: i32,
        color: Rgb,
    },
    /// What lies between points, so faint that what is behind it is seen.
    Area {
        points: Vec<(i32, i32)>,
        color: Rgb,
    },
    /// A filled circle.
    Dot {
        x: i32,
        y: i32,
        radius: i32,
        color: Rgb,
    },
}

/// How much of an area's own colour is seen.
pub(crate) const FAINT: f64 = 0.2;

/// The looks of a line or an area.
struct Stroke {
    color: Rgb,
    width: u32,
    alpha: f64,
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        BackendColor { alpha: self.alpha, rgb: self.color }
    }

    fn stroke_width(&self) -> u32 {
        self.width
    }
}

/// A figure's size and what is on it, from back to front.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Scene {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) shapes: Vec<Shape>,
}

impl Scene {
    /// Adds a rectangle.
    pub(crate) fn rect(&mut self, (x, y): (i32, i32), (width, height): (i32, i32), color: Rgb) {
        self.shapes.push(Shape::Rect { x, y, width, height, color });
    }

    /// Adds a text, unless it is empty.
    pub(crate) fn text(
        &mut self,
        (x, y): (i32, i32),
        anchor: Anchor,
        em: f32,
        color: Rgb,
        text: &str,
    ) {
        if !text.is_empty() {
            let (text, turned) = (text.to_owned(), false);
            self.shapes.push(Shape::Text { x, y, em, anchor, turned, color, text });
        }
    }

    /// Adds a text that is read upwards and ends at a place, unless it is empty.
    pub(crate) fn turned(&mut self, (x, y): (i32, i32), em: f32, color: Rgb, text: &str) {
        if !text.is_empty() {
            let (text, anchor, turned) = (text.to_owned(), Anchor::End, true);
            self.shapes.push(Shape::Text { x, y, em, anchor, turned, color, text });
        }
    }

    /// Adds a line from point to point; a single point has none.
    pub(crate) fn path(
        &mut self,
        points: impl IntoIterator<Item = (i32, i32)>,
        width: i32,
        color: Rgb,
    ) {
        let points: Vec<(i32, i32)> = points.into_iter().collect();
        if points.len() > 1 {
            self.shapes.push(Shape::Path { points, width, color });
        }
    }

    /// Adds what lies between points; fewer than three have nothing between them.
    pub(crate) fn area(&mut self, points: impl IntoIterator<Item = (i32, i32)>, color: Rgb) {
        let points: Vec<(i32, i32)> = points.into_iter().collect();
        if points.len() > 2 {
            self.shapes.push(Shape::Area { points, color });
        }
    }

    /// Adds a filled circle.
    pub(crate) fn dot(&mut self, (x, y): (i32, i32), radius: i32, color: Rgb) {
        self.shapes.push(Shape::Dot { x, y, radius, color });
    }

    /// Draws everything, each length times `scale`.
    pub(crate) fn paint<B: DrawingBackend>(
        &self,
        backend: &mut B,
        scale: i32,
    ) -> Result<(), DrawingErrorKind<B::ErrorType>> {
        for shape in &self.shapes {
            match shape {
                Shape::Rect { x, y, width, height, color } => {
                    let (from, to) =
                        ((x * scale, y * scale), ((x + width) * scale, (y + height) * scale));
                    let color = BackendColor { alpha: 1.0, rgb: *color };
                    backend.draw_rect(from, to, &color, true)?;
                }
                Shape::Text { x, y, em, anchor, turned, color, text } => {
                    let (em, color) = (em * scale as f32, *color);
                    let style = TextStyle { em, color, anchor: *anchor, turned: *turned };
                    backend.draw_text(text, &style, (x * scale, y * scale))?;
                }
                Shape::Path { points, width, color } => {
                    let width = (width * scale) as u32;
                    let style = Stroke { color: *color, width, alpha: 1.0 };
                    backend
                        .draw_path(points.iter().map(|(x, y)| (x * scale, y * scale)), &style)?;
                }
                Shape::Area { points, color } => {
                    let style = Stroke { color: *color, width: 0, alpha: FAINT };
                    backend
                        .fill_polygon(points.iter().map(|(x, y)| (x * scale, y * scale)), &style)?;
                }
                Shape::Dot { x, y, radius, color } => {
                    let color = BackendColor { alpha: 1.0, rgb: *color };
                    let radius = (radius * scale) as u32;
                    backend.draw_circle((x * scale, y * scale), radius, &color, true)?;
                }
            }
        }
        backend.present()
    }
}

/// The first and last column of pixels that a level text covers.
pub(crate) fn extent(x: i32, anchor: Anchor, em: f32, text: &str) -> (i32, i32) {
    let width = text_width(text, em).ceil() as i32;
    let left = match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - (width + 1) / 2,
        Anchor::End => x - width,
    };
    (left, left + width)
}
