//! Figures as files.

mod common;

use common::{knowledge_0, map};
use tracewright_report::{Heatmap, ReportError, draw_pdf, draw_png, draw_svg, heading};

#[test]
fn a_png_begins_with_its_signature_and_has_the_same_bytes_each_time() {
    let maps = knowledge_0();
    let heading = heading("Vinson Massif is located in the continent of", " Antarctica");
    let png = draw_png(&maps, &heading).expect("a figure");
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(png, draw_png(&maps, &heading).expect("a figure"));
}

#[test]
fn a_png_is_twice_as_large_as_its_svg() {
    let maps = knowledge_0();
    let png = draw_png(&maps, "").expect("a figure");
    let side = |at: usize| u32::from_be_bytes([png[at], png[at + 1], png[at + 2], png[at + 3]]);
    let svg = draw_svg(&maps, "").expect("a figure");
    let size = format!("width=\"{}\" height=\"{}\"", side(16) / 2, side(20) / 2);
    assert!(svg.starts_with(&format!("<svg {size}")), "{}", &svg[..120]);
}

#[test]
fn an_svg_holds_its_texts_as_text_and_escaped() {
    let tokens = ["<script>alert('&')</script>", "\x1b[31m\u{1}", "end"].map(str::to_owned);
    let svg = draw_svg(&[map(&tokens, &[0.0, 0.5, 1.0])], "a < b").expect("a figure");
    assert!(!svg.contains("<script"), "{svg}");
    assert!(svg.contains("&lt;script&gt;"), "{svg}");
    assert!(svg.contains("\\x1b[31m\\x01"), "{svg}");
    assert!(svg.contains("a &lt; b"), "{svg}");
    assert!(svg.contains("p(Paris)"), "{svg}");
    assert!(!svg.chars().any(|c| c.is_control() && c != '\n'));
}

#[test]
fn a_pdf_has_one_page_the_fonts_part_that_is_used_and_the_same_bytes_each_time() {
    let maps = knowledge_0();
    let heading = heading("Vinson Massif is located in the continent of", " Antarctica");
    let pdf = draw_pdf(&maps, &heading).expect("a figure");
    assert!(pdf.starts_with(b"%PDF-"));
    assert_eq!(pdf, draw_pdf(&maps, &heading).expect("a figure"));
    let text = String::from_utf8_lossy(&pdf);
    assert_eq!(text.matches("/Type /Page\n").count() + text.matches("/Type/Page/").count(), 1);
    assert!(text.contains("DejaVuSans") && text.contains("/ToUnicode"), "texts stay texts");
    assert!(pdf.len() < 100_000, "{} bytes", pdf.len());
}

#[test]
fn a_figure_of_nothing_is_refused() {
    assert_eq!(draw_png(&[] as &[Heatmap], "").unwrap_err(), ReportError::NoPanels);
    let mut broken = knowledge_0().swap_remove(0);
    broken.values.pop();
    let error = draw_svg(&[broken], "").unwrap_err();
    insta::assert_snapshot!(error, @r#""Impact of restoring state after corrupted input" has 143 values where 144 were expected (tokens × layers)"#);
}

#[test]
fn a_figure_of_more_pixels_than_memory_is_refused() {
    let maps = vec![knowledge_0().swap_remove(0); 2000];
    assert!(matches!(draw_png(&maps, ""), Err(ReportError::TooLarge { .. })));
}
