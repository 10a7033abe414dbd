//! How long pages of 1,209 cases × 3 kinds take to open:
//! `cargo run --release --manifest-path crates/report/page-test/Cargo.toml --example opening`.

use std::time::Instant;

use tracewright_page_test::browser::Page;
use tracewright_page_test::data::traces;
use tracewright_report::{PageRun, page};

fn main() {
    for layers in [6, 12] {
        let results = traces(1209, layers);
        let started = Instant::now();
        let run = PageRun { name: "a", results: &results, sentences: &[] };
        let html = page(&run, None).expect("a page");
        println!(
            "{layers} layers: {:.1} MB, made in {:.2?}",
            html.len() as f64 / 1e6,
            started.elapsed()
        );
        let Some(page) = Page::open(&html, "") else { return };
        for _ in 0..3 {
            let started = Instant::now();
            page.go("");
            let there = started.elapsed();
            // From the start of the navigation, by the browser's own clock; the page draws while it is read.
            let times = page.eval(
                "(() => { const [n] = performance.getEntriesByType('navigation'); \
                 return [n.domInteractive, n.loadEventEnd].map(Math.round); })()",
            );
            println!(
                "  [read and drawn, loaded] after {times} ms; a figure is there after {there:.2?}"
            );
        }
        let started = Instant::now();
        for case in 0..20 {
            page.choose("#case", &format!("={}", case * 60));
        }
        println!("  another case is shown after {:.0?}", started.elapsed() / 20);
    }
}
