//! A figure as rectangles and texts, between its layout and the library that draws it.

use plotters::backend::DrawingBackend;
use plotters_backend::{BackendColor, DrawingErrorKind};

use crate::colormap::Rgb;
use crate::font::{Anchor, TextStyle, text_width};

/// One thing to draw, in pixels of a figure that isn't magnified.
///
/// Lines are thin rectangles: they stay sharp at every magnification, and both backends draw
/// them alike.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Rect {
        x: i32,
        y: i32,
        width: i32,
        height: i32,
        color: Rgb,
    },
    /// A text whose lower-case letters are centred at `y`.
    Text {
        x: i32,
        y: i32,
        em: f32,
        anchor: Anchor,
        color: Rgb,
        text: String,
    },
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
            let text = text.to_owned();
            self.shapes.push(Shape::Text { x, y, em, anchor, color, text });
        }
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
                Shape::Text { x, y, em, anchor, color, text } => {
                    let style = TextStyle { em: em * scale as f32, color: *color, anchor: *anchor };
                    backend.draw_text(text, &style, (x * scale, y * scale))?;
                }
            }
        }
        backend.present()
    }
}

/// The first and last column of pixels that a text covers.
pub(crate) fn extent(x: i32, anchor: Anchor, em: f32, text: &str) -> (i32, i32) {
    let width = text_width(text, em).ceil() as i32;
    let left = match anchor {
        Anchor::Start => x,
        Anchor::Middle => x - (width + 1) / 2,
        Anchor::End => x - width,
    };
    (left, left + width)
}
