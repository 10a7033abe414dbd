//! The embedded font: how wide a text is, and its pixels.
//!
//! Plotters' own text puts glyphs at whole pixels and without their left bearing, which shows in
//! print; this places them exactly, through the same interface.

use std::convert::Infallible;
use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, point};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{BackendColor, BackendCoord, BackendTextStyle, FontFamily, FontTransform};
use unicode_width::UnicodeWidthChar;

use crate::colormap::Rgb;

/// See `fonts/README.md`.
static BYTES: &[u8] = include_bytes!("../fonts/DejaVuSans.ttf");

/// `None` can't happen with the embedded bytes, which the tests parse; text would be left out.
static FONT: LazyLock<Option<FontRef<'static>>> =
    LazyLock::new(|| FontRef::try_from_slice(BYTES).ok());

/// From the middle of a lower-case letter down to the baseline, in ems; half of DejaVu's x.
const MIDDLE: f32 = 0.27;

/// How wide `text` is in a font of `em` pixels.
pub(crate) fn text_width(text: &str, em: f32) -> f32 {
    place(text, em, |_, _| ())
}

/// Calls `put` with each character and where it starts, and returns where the text ends.
fn place(text: &str, em: f32, mut put: impl FnMut(char, f32)) -> f32 {
    let Some(font) = FONT.as_ref() else { return 0.0 };
    let unit = em / font.units_per_em().unwrap_or(2048.0);
    let (mut x, mut last) = (0.0, None);
    for c in text.chars() {
        let glyph = font.glyph_id(c);
        if let Some(last) = last {
            x += font.kern_unscaled(last, glyph) * unit;
        }
        put(c, x);
        // An SVG's reader has other fonts: what this one lacks takes what a terminal gives it.
        x += if glyph.0 == 0 {
            0.6 * em * c.width().unwrap_or(1) as f32
        } else {
            font.h_advance_unscaled(glyph) * unit
        };
        last = Some(glyph);
    }
    x
}

/// A text's looks; its position is the middle of its lower-case letters at `anchor`.
pub(crate) struct TextStyle {
    pub(crate) em: f32,
    pub(crate) color: Rgb,
    pub(crate) anchor: Anchor,
    /// Read upwards, around its position.
    pub(crate) turned: bool,
}

/// Which end of a text its position is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

impl BackendTextStyle for TextStyle {
    type FontError = Infallible;

    fn color(&self) -> BackendColor {
        BackendColor { alpha: 1.0, rgb: self.color }
    }

    fn size(&self) -> f64 {
        // The SVG backend divides by this factor to get the em.
        f64::from(self.em) * 1.24
    }

    fn anchor(&self) -> Pos {
        let across = match self.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        Pos::new(across, VPos::Center)
    }

    fn transform(&self) -> FontTransform {
        if self.turned { FontTransform::Rotate270 } else { FontTransform::None }
    }

    fn family(&self) -> FontFamily<'_> {
        FontFamily::Name("DejaVu Sans, Verdana, sans-serif")
    }

    /// Without height, so that the backend leaves the vertical position to `draw`.
    fn layout_box(&self, text: &str) -> Result<((i32, i32), (i32, i32)), Infallible> {
        Ok(((0, 0), (text_width(text, self.em).round() as i32, 0)))
    }

    fn draw<E, D: FnMut(i32, i32, BackendColor) -> Result<(), E>>(
        &self,
        text: &str,
        (left, middle): BackendCoord,
        mut draw: D,
    ) -> Result<Result<(), E>, Infallible> {
        let Some(font) = FONT.as_ref() else { return Ok(Ok(())) };
        let height = font.height_unscaled() / font.units_per_em().unwrap_or(2048.0);
        let baseline = (MIDDLE * self.em).round();
        let mut outcome = Ok(());
        place(text, self.em, |c, x| {
            let glyph = font
                .glyph_id(c)
                .with_scale_and_position(PxScale::from(self.em * height), point(x, baseline));
            let Some(outline) = font.outline_glyph(glyph) else { return };
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                if outcome.is_ok() && coverage > 0.0 {
                    let alpha = f64::from(coverage.min(1.0));
                    let color = BackendColor { alpha, rgb: self.color };
                    let (x, y) = (corner.x as i32 + x as i32, corner.y as i32 + y as i32);
                    outcome = draw(left + x, middle + y, color);
                }
            });
        });
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_font_has_the_characters_that_labels_use() {
        let font = FONT.as_ref().expect("the font parses");
        for c in "⏎↦∅␣…→◌*±−“”éñßŁΩя".chars() {
            assert_ne!(font.glyph_id(c).0, 0, "{c} is missing");
        }
    }

    #[test]
    fn widths_grow_with_the_text_and_the_size() {
        assert_eq!(text_width("", 10.0), 0.0);
        assert!(text_width("ill", 10.0) < text_width("MMM", 10.0));
        let ratio = text_width("Antarctica", 20.0) / text_width("Antarctica", 10.0);
        assert!((ratio - 2.0).abs() < 1e-4);
    }
}
