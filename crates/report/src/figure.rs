//! Heatmaps, curves and bars side by side, as PNG and as SVG.

use plotters::backend::{BitMapBackend, SVGBackend};
use plotters_backend::{BackendColor, DrawingBackend};

use crate::axes::Panel;
use crate::curve::{Bars, Curve};
use crate::curve_panel::CurvePanel;
use crate::error::ReportError;
use crate::heatmap::Heatmap;
use crate::layout;
use crate::panel::HeatmapPanel;
use crate::scene::Scene;
use crate::series::check;

/// A PNG has this many pixels for each of an SVG's, about 200 in an inch.
const SCALE: i32 = 2;
/// 96 CSS pixels an inch, magnified, in pixels a metre.
const PIXELS_PER_METRE: u32 = 7559;
/// Three bytes each, so at most 300 MB.
const MOST_PIXELS: i64 = 100_000_000;

/// One part of a figure.
#[derive(Clone, Copy, Debug)]
pub enum Plot<'a> {
    /// A heatmap.
    Heatmap(&'a Heatmap),
    /// Lines over layers.
    Curve(&'a Curve),
    /// Bars over layers.
    Bars(&'a Bars),
}

impl<'a> Plot<'a> {
    /// Checks and measures it.
    pub(crate) fn panel(&self) -> Result<Box<dyn Panel + 'a>, ReportError> {
        Ok(match self {
            Self::Heatmap(map) => {
                map.check()?;
                Box::new(HeatmapPanel::new(map))
            }
            Self::Curve(curve) => {
                check(&curve.title, curve.columns.len(), &curve.lines)?;
                Box::new(CurvePanel::of_curve(curve))
            }
            Self::Bars(bars) => {
                check(&bars.title, bars.columns.len(), &bars.series)?;
                Box::new(CurvePanel::of_bars(bars))
            }
        })
    }
}

impl<'a> From<&'a Heatmap> for Plot<'a> {
    fn from(map: &'a Heatmap) -> Self {
        Self::Heatmap(map)
    }
}

impl<'a> From<&'a Curve> for Plot<'a> {
    fn from(curve: &'a Curve) -> Self {
        Self::Curve(curve)
    }
}

impl<'a> From<&'a Bars> for Plot<'a> {
    fn from(bars: &'a Bars) -> Self {
        Self::Bars(bars)
    }
}

/// Draws heatmaps, curves or bars side by side under a heading (may be empty) and returns the bytes of a PNG.
///
/// The same input gives the same bytes, on every machine.
pub fn draw_png<'a>(
    plots: impl IntoIterator<Item: Into<Plot<'a>>>,
    heading: &str,
) -> Result<Vec<u8>, ReportError> {
    let scene = scene(plots, heading)?;
    let (width, height) = size(&scene, SCALE)?;
    let mut pixels = vec![255; width as usize * height as usize * 3];
    let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
    scene.paint(&mut backend, SCALE).map_err(failed)?;
    drop(backend);
    encode(&pixels, width, height).map_err(failed)
}

/// Draws heatmaps, curves or bars side by side under a heading (may be empty) and returns an SVG document.
///
/// Its texts stay texts, so they can be searched and copied.
pub fn draw_svg<'a>(
    plots: impl IntoIterator<Item: Into<Plot<'a>>>,
    heading: &str,
) -> Result<String, ReportError> {
    let scene = scene(plots, heading)?;
    let (width, height) = size(&scene, 1)?;
    let mut document = String::new();
    let mut backend = SVGBackend::with_string(&mut document, (width, height));
    // The bitmap is white from the start: its backend fills grey rectangles of full width wrongly.
    let white = BackendColor { alpha: 1.0, rgb: (255, 255, 255) };
    backend.draw_rect((0, 0), (scene.width, scene.height), &white, true).map_err(failed)?;
    scene.paint(&mut backend, 1).map_err(failed)?;
    drop(backend);
    Ok(document)
}

/// The heading of a prompt and the answer that its heatmaps are about.
pub fn heading(prompt: &str, answer: &str) -> String {
    format!("{} → {}", prompt.trim(), answer.trim())
}

fn scene<'a>(
    plots: impl IntoIterator<Item: Into<Plot<'a>>>,
    heading: &str,
) -> Result<Scene, ReportError> {
    let plots: Vec<Plot<'a>> = plots.into_iter().map(Into::into).collect();
    layout::figure(&plots, heading)
}

fn size(scene: &Scene, scale: i32) -> Result<(u32, u32), ReportError> {
    let (width, height) =
        (i64::from(scene.width) * i64::from(scale), i64::from(scene.height) * i64::from(scale));
    match (u32::try_from(width), u32::try_from(height)) {
        (Ok(w), Ok(h)) if width * height <= MOST_PIXELS => Ok((w, h)),
        _ => Err(ReportError::TooLarge { width, height }),
    }
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: PIXELS_PER_METRE,
        yppu: PIXELS_PER_METRE,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Drawing(error.to_string())
}
