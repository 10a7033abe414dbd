//! How long pages take to open: made-up ones of 1,209 cases × 3 kinds, or those of the files that are named.
//! `cargo run --release --manifest-path crates/report/page-test/Cargo.toml --example opening [FILE.html …]`.

use std::time::Instant;
use std::{env, fs};

use tracewright_page_test::browser::Page;
use tracewright_page_test::data::traces;
use tracewright_report::{PageRun, page};

fn main() {
    let files: Vec<String> = env::args().skip(1).collect();
    for file in &files {
        opening(file, &fs::read_to_string(file).expect("a page"));
    }
    for layers in [6, 12].into_iter().filter(|_| files.is_empty()) {
        let results = traces(1209, layers);
        let started = Instant::now();
        let run = PageRun { name: "a", results: &results, sentences: &[] };
        let html = page(&run, None).expect("a page");
        opening(&format!("{layers} layers, made in {:.1?}", started.elapsed()), &html);
    }
}

fn opening(what: &str, html: &str) {
    println!("{what}: {:.1} MB", html.len() as f64 / 1e6);
    let Some(page) = Page::open(html, "") else { return };
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
            "  [read and drawn, loaded] after {times} ms; a figure is seen there after {there:.2?}"
        );
    }
    let cases =
        page.eval("[...document.querySelectorAll('#case option')].map(option => option.value)");
    let cases: Vec<&str> =
        cases.as_array().into_iter().flatten().filter_map(|case| case.as_str()).collect();
    let chosen: Vec<&&str> = cases.iter().step_by(60).collect();
    let started = Instant::now();
    for case in &chosen {
        page.choose("#case", case);
    }
    println!(
        "  another case is shown after {:.0?}",
        started.elapsed() / chosen.len().max(1) as u32
    );
}
