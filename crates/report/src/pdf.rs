//! A scene as a PDF: one page of vectors, its texts as texts in the embedded font.

use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect, Transform};
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, LineCap, LineJoin, Stroke};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use krilla::{Data, Document};

use crate::colormap::Rgb;
use crate::error::ReportError;
use crate::font::{Anchor, BYTES, MIDDLE, glyphs, text_width};
use crate::scene::{FAINT, Scene, Shape};

/// A pixel of a scene is a 96th of an inch, a unit of a PDF a 72nd.
const SCALE: f32 = 0.75;
/// How far the control points of a quarter of a circle are from its ends, in radii.
const ROUND: f32 = 0.552_285;

/// The bytes of the document; the same for the same scene.
pub(crate) fn pdf(scene: &Scene) -> Result<Vec<u8>, ReportError> {
    let failed = |what: &str| ReportError::Drawing(what.to_owned());
    let font = Font::new(Data::from(BYTES), 0).ok_or_else(|| failed("the font isn't one"))?;
    let (width, height) = (scene.width as f32 * SCALE, scene.height as f32 * SCALE);
    let page = PageSettings::from_wh(width, height).ok_or_else(|| failed("the page is empty"))?;
    let mut document = Document::new();
    let mut page = document.start_page_with(page);
    let mut surface = page.surface();
    surface.push_transform(&Transform::from_scale(SCALE, SCALE));
    scene.shapes.iter().for_each(|shape| draw(&mut surface, shape, &font));
    surface.pop();
    surface.finish();
    page.finish();
    document.finish().map_err(|error| failed(&format!("{error:?}")))
}

fn draw(surface: &mut Surface<'_>, shape: &Shape, font: &Font) {
    match shape {
        Shape::Rect { x, y, width, height, color } => {
            let [x, y, width, height] = [*x, *y, *width, *height].map(|length| length as f32);
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_xywh(x, y, width, height) {
                path.push_rect(rect);
            }
            filled(surface, path.finish(), *color, NormalizedF32::ONE);
        }
        Shape::Area { points, color } => {
            let opacity = NormalizedF32::new(FAINT as f32).unwrap_or(NormalizedF32::ONE);
            filled(surface, joined(points, true), *color, opacity);
        }
        Shape::Dot { x, y, radius, color } => {
            let path = circle(*x as f32, *y as f32, *radius as f32);
            filled(surface, path, *color, NormalizedF32::ONE);
        }
        Shape::Path { points, width, color } => {
            let Some(path) = joined(points, false) else { return };
            surface.set_fill(None);
            surface.set_stroke(Some(Stroke {
                paint: paint(*color).into(),
                width: *width as f32,
                line_cap: LineCap::Round,
                line_join: LineJoin::Round,
                ..Stroke::default()
            }));
            surface.draw_path(&path);
        }
        Shape::Text { x, y, em, anchor, turned, color, text } => {
            let at = Transform::from_translate(*x as f32, *y as f32);
            surface.push_transform(&at);
            if *turned {
                surface.push_transform(&Transform::from_rotate(-90.0));
            }
            write(surface, (text, *em, *anchor), *color, font);
            if *turned {
                surface.pop();
            }
            surface.pop();
        }
    }
}

/// A text whose anchor and the middle of whose lower-case letters are at the origin.
fn write(
    surface: &mut Surface<'_>,
    (text, em, anchor): (&str, f32, Anchor),
    color: Rgb,
    font: &Font,
) {
    let width = text_width(text, em);
    let left = match anchor {
        Anchor::Start => 0.0,
        Anchor::Middle => -width / 2.0,
        Anchor::End => -width,
    };
    let placed = glyphs(text, em);
    let ends = placed.iter().skip(1).map(|(_, _, x)| *x).chain([width]);
    // Lengths of glyphs are in ems.
    let glyph = |((range, id, x), end): (&(std::ops::Range<usize>, u16, f32), f32)| {
        let id = GlyphId::new(u32::from(*id));
        KrillaGlyph::new(id, (end - x) / em, 0.0, 0.0, 0.0, range.clone(), None)
    };
    let glyphs: Vec<KrillaGlyph> = placed.iter().zip(ends).map(glyph).collect();
    set_fill(surface, color, NormalizedF32::ONE);
    let start = Point::from_xy(left, MIDDLE * em);
    surface.draw_glyphs(start, &glyphs, font.clone(), text, em, false);
}

fn filled(surface: &mut Surface<'_>, path: Option<Path>, color: Rgb, opacity: NormalizedF32) {
    let Some(path) = path else { return };
    set_fill(surface, color, opacity);
    surface.draw_path(&path);
}

fn set_fill(surface: &mut Surface<'_>, color: Rgb, opacity: NormalizedF32) {
    surface.set_stroke(None);
    surface.set_fill(Some(Fill { paint: paint(color).into(), opacity, ..Fill::default() }));
}

fn paint((r, g, b): Rgb) -> rgb::Color {
    rgb::Color::new(r, g, b)
}

/// A path from point to point, and back to the first one if it is closed.
fn joined(points: &[(i32, i32)], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let mut points = points.iter().map(|(x, y)| (*x as f32, *y as f32));
    let (x, y) = points.next()?;
    path.move_to(x, y);
    points.for_each(|(x, y)| path.line_to(x, y));
    if closed {
        path.close();
    }
    path.finish()
}

fn circle(x: f32, y: f32, radius: f32) -> Option<Path> {
    let (r, c) = (radius, ROUND * radius);
    let mut path = PathBuilder::new();
    path.move_to(x + r, y);
    path.cubic_to(x + r, y + c, x + c, y + r, x, y + r);
    path.cubic_to(x - c, y + r, x - r, y + c, x - r, y);
    path.cubic_to(x - r, y - c, x - c, y - r, x, y - r);
    path.cubic_to(x + c, y - r, x + r, y - c, x + r, y);
    path.close();
    path.finish()
}
