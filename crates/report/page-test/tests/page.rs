//! The page does in a browser what it says.

use serde_json::json;
use tracewright_page_test::browser::Page;
use tracewright_page_test::data::{KINDS, pair, trace_of, traces, value};
use tracewright_report::{PageRun, page};
use tracewright_results::Results;

fn run<'a>(name: &'a str, results: &'a Results) -> PageRun<'a> {
    PageRun { name, results, sentences: &[] }
}

fn html(results: &Results) -> String {
    page(&run("a", results), None).expect("a page")
}

/// Opens the page of a run at a part of it, does something there, and sees that it complained of nothing.
#[track_caller]
fn check(html: &str, part: &str, test: impl FnOnce(&Page)) {
    let Some(page) = Page::open(html, part) else { return };
    test(&page);
    assert_eq!(page.complaints(), Vec::<String>::new());
}

/// The numbers of a panel's heatmap, row by row.
fn shown(page: &Page, plot: usize) -> Vec<Vec<f64>> {
    let rows = page.eval(&format!("document.querySelectorAll('.plot')[{plot}].data[0].z"));
    serde_json::from_value(rows).expect("numbers")
}

fn expected(case: usize, kind: usize) -> Vec<Vec<f64>> {
    let row = |position| {
        (0..6).map(|layer| f64::from(value(case, kind, position, layer) as f32)).collect()
    };
    (0..10).map(row).collect()
}

#[track_caller]
fn close(found: &[Vec<f64>], expected: &[Vec<f64>]) {
    let (found, expected) = (found.concat(), expected.concat());
    assert_eq!(found.len(), expected.len());
    // Numbers are of single precision.
    assert!(
        found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6),
        "{found:?}, not {expected:?}"
    );
}

#[test]
fn all_cases_are_shown_first_and_then_what_is_chosen() {
    check(&html(&traces(4, 6)), "", |page| {
        assert_eq!(page.text("#title"), "All cases");
        assert_eq!(page.eval("document.querySelectorAll('#case option').length"), json!(5));
        page.choose("#case", "=2");
        assert!(page.text("#title").ends_with("(2)"));
        for (kind, (name, site)) in KINDS.iter().enumerate() {
            page.choose("#controls [name=kind]", name);
            assert!(page.text("#caption").starts_with(&format!("{name} · {site} · prob")));
            close(&shown(page, 0), &expected(2, kind));
        }
        page.choose("#controls [name=quantity]", "recovery");
        assert!((shown(page, 0)[9][5] - (value(2, 2, 9, 5) - 0.1) / 0.85).abs() < 1e-6);
        assert_eq!(page.text("#found"), "4 cases");
    });
}

#[test]
fn a_hover_says_the_cells_token_layer_number_and_interval() {
    check(&html(&traces(4, 6)), "#case=1&kind=mlp", |page| {
        page.point_at(0, 4, 3, false);
        page.wait("document.querySelector('.hoverlayer .hovertext') !== null");
        let number = value(1, 1, 3, 4);
        let lines = format!(
            "layer 4, token 3 “le”*prob {number}95 % {} … {}",
            (number - 0.03) as f32,
            (number + 0.02) as f32
        );
        assert_eq!(page.text(".hoverlayer .hovertext"), lines);
    });
}

#[test]
fn keys_move_a_cursor_that_is_spoken_and_enter_goes_to_the_cells_numbers() {
    check(&html(&traces(2, 6)), "#case=0&kind=hidden", |page| {
        page.eval("document.querySelector('.plot').focus()");
        for key in ["ArrowDown", "ArrowDown", "ArrowRight", "End", "ArrowLeft"] {
            page.press(key);
        }
        let number = value(0, 0, 1, 4);
        assert!(
            page.text("#live").starts_with(&format!("layer 4, token 1 “ Space”*: prob {number}"))
        );
        assert_eq!(
            page.eval("document.querySelector('.plot').layout.shapes.length > 0"),
            json!(true)
        );
        page.press("Enter");
        assert_eq!(page.eval("document.activeElement.id"), json!("cell"));
        let cells = page.eval(
            "[...document.querySelectorAll('#cell-numbers td')].map(cell => cell.textContent)",
        );
        let cells: Vec<String> = serde_json::from_value(cells).expect("texts");
        assert_eq!(cells[0], number.to_string());
        assert!(
            cells.contains(&"0.95".to_owned()) && cells.contains(&"10".to_owned()),
            "{cells:?}"
        );
        page.press("Escape");
        assert_eq!(page.eval("document.activeElement.className.includes('plot')"), json!(true));
    });
}

#[test]
fn a_click_on_a_cell_shows_all_its_metrics_and_its_top_tokens() {
    check(&html(&pair()), "#at.head=1", |page| {
        page.point_at(0, 2, 1, true);
        page.wait("!document.querySelector('#cell').hidden");
        let at = page.text("#cell-title");
        assert_eq!(at, "layer 2, token 1 “ Mary → John”*, head 1");
        let rows = page.eval("[...document.querySelectorAll('#cell-numbers tbody th')].map(cell => cell.textContent)");
        assert_eq!(rows, json!(["logit-diff", "prob"]));
        assert!(page.text("#cell-numbers").contains("0.19"));
        let top = page.text("#cell-top");
        assert!(
            top.contains(" John0.52.5") && top.contains(" says 211") && !top.contains(" says 210"),
            "{top}"
        );
    });
}

#[test]
fn of_three_axes_one_is_held_and_any_two_can_be_shown() {
    check(&html(&pair()), "", |page| {
        // The strongest cell's head.
        assert_eq!(page.eval("document.querySelector('#controls [name=head]').value"), json!("1"));
        assert_eq!((shown(page, 0).len(), shown(page, 0)[0].len()), (4, 3));
        page.choose("#controls [name=down]", "head");
        page.choose("#controls [name=token]", "3");
        assert_eq!((shown(page, 0).len(), shown(page, 0)[0].len()), (2, 3));
        assert!((shown(page, 0)[1][2] - 0.01 * (16.0 + 6.0 + 1.0) / 2.0).abs() < 1e-6);
        page.choose("#controls [name=across]", "head");
        assert_eq!((shown(page, 0).len(), shown(page, 0)[0].len()), (3, 2));
        page.choose("#controls [name=metric]", "prob");
        assert!((shown(page, 0)[2][1] - 0.001 * (16.0 + 6.0 + 1.0) / 2.0).abs() < 1e-6);
        page.choose("#controls [name=view]", "lines");
        assert_eq!(
            page.eval("document.querySelector('.plot').data.map(line => line.name)"),
            json!(["0", "1", "2"])
        );
    });
}

#[test]
fn an_address_restores_what_was_shown_and_back_goes_back() {
    let html = html(&traces(4, 6));
    check(&html, "#case=3&kind=attn&show=recovery&cell.layer=2&cell.position=5&table=1", |page| {
        assert!(page.text("#title").ends_with("(3)"));
        assert!(page.text("#caption").starts_with("attn · attn_out · prob · recovery"));
        assert_eq!(page.text("#cell-title"), "layer 2, token 5 “ in”");
        assert_eq!(page.eval("document.querySelector('#tables table') !== null"), json!(true));
        page.choose("#controls [name=kind]", "mlp");
        page.choose("#case", "=1");
        let address = page.eval("location.hash");
        page.eval("history.back()");
        page.wait("document.querySelector('#title').textContent.endsWith('(3)')");
        assert!(page.text("#caption").starts_with("mlp"));
        page.eval("history.back()");
        page.wait("document.querySelector('#caption').textContent.startsWith('attn')");
        page.eval("history.go(2)");
        page.wait("document.querySelector('#title').textContent.endsWith('(1)')");
        assert_eq!(page.eval("location.hash"), address);
        let before = shown(page, 0);
        page.go(address.as_str().expect("a text"));
        assert_eq!(shown(page, 0), before);
    });
}

#[test]
fn nothing_in_a_prompt_acts() {
    let tokens = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(2)>",
        "<b>bold</b>",
        "&lt;i&gt;",
        "<a href=\"javascript:alert(3)\">here</a>",
        "%{x} {{style}}",
        "$x$",
        "\u{1b}[31m\n\u{202e}",
        "<!--",
    ];
    check(&html(&trace_of(&tokens)), "#cell.position=0", |page| {
        assert!(page.text("#title").starts_with(tokens[0]));
        let outside = "document.querySelectorAll('main img, main b:not(.prompt > b), main a, svg a, svg image').length";
        assert_eq!(page.eval(outside), json!(0));
        assert_eq!(
            page.eval("[...document.scripts].filter(script => !script.type).length"),
            json!(2)
        );
        let chips =
            page.eval("[...document.querySelectorAll('.token')].map(token => token.textContent)");
        let mut visible = tokens.map(str::to_owned);
        visible[7] = r"\x1b[31m⏎\u{202e}".to_owned();
        assert_eq!(chips, json!(visible));
        let ticks = page
            .eval("[...document.querySelectorAll('.xtick text')].map(tick => tick.textContent)");
        for plain in ["<b>bold</b>*", "&lt;i&gt;*", "%{x} {{style}}", "$x$", "<!--"] {
            assert!(
                ticks.as_array().is_some_and(|ticks| ticks.contains(&json!(plain))),
                "{plain}: {ticks}"
            );
        }
        page.point_at(0, 2, 0, false);
        page.eval("Plotly.Fx.hover(document.querySelector('.plot'), [{ curveNumber: 0, pointNumber: 2 }])");
        page.wait("document.querySelector('.hoverlayer .hovertext')?.textContent.includes('“<b>bold</b>”') === true");
        assert!(page.text("#about pre").contains("</pre><b>asked</b>"));
    });
}

#[test]
fn the_appearance_follows_the_system_and_the_switch() {
    check(&html(&traces(2, 6)), "", |page| {
        let paper = || page.eval("getComputedStyle(document.body).backgroundColor");
        let figure = || page.eval("document.querySelector('.plot').layout.paper_bgcolor");
        page.prefer("light");
        let light = paper();
        page.prefer("dark");
        page.wait("document.querySelector('.plot').layout.paper_bgcolor === getComputedStyle(document.body).backgroundColor");
        assert_ne!(paper(), light);
        page.choose("#theme", "light");
        assert_eq!((paper(), figure()), (light.clone(), light));
    });
}

#[test]
fn two_runs_share_a_scale_and_their_difference_is_shown() {
    let (a, mut b) = (traces(3, 6), traces(3, 6));
    for row in &mut b.rows {
        row.value = row.value.map(|value| value / 2.0);
    }
    let html = page(&run("a", &a), Some(&run("b", &b))).expect("a page");
    check(&html, "#case=1&kind=mlp", |page| {
        let first = expected(1, 1);
        let half: Vec<Vec<f64>> =
            first.iter().map(|row| row.iter().map(|value| value / 2.0).collect()).collect();
        close(&shown(page, 0), &first);
        close(&shown(page, 1), &half);
        close(&shown(page, 2), &half);
        let scale = |plot: usize| {
            page.eval(&format!("(({{ zmin, zmax }}) => [zmin, zmax])(document.querySelectorAll('.plot')[{plot}].data[0])"))
        };
        assert_eq!(scale(0), scale(1));
        let ends = scale(2);
        assert_eq!(ends[0].as_f64().map(|low| -low), ends[1].as_f64());
        page.choose("#run", "2");
        close(&shown(page, 0), &half);
        assert_eq!(
            page.eval(
                "[...document.querySelectorAll('figure')].filter(figure => !figure.hidden).length"
            ),
            json!(1)
        );
        // Averages over cases: the difference in pairs has an interval.
        page.go("#run=both&statistics=averages+of+cells&kind=mlp&cell.layer=1&cell.position=2");
        assert!(page.text("#live").contains("a − b, by pairs of cases: difference in prob"));
        assert!(page.text("#live").matches("95 %").count() == 3, "{}", page.text("#live"));
    });
}

#[test]
fn a_table_with_headers_and_files_have_the_numbers_too() {
    check(&html(&traces(2, 6)), "#case=1&kind=mlp&table=1", |page| {
        let row = page.eval("[...document.querySelectorAll('#tables tbody tr')[3].cells].map(cell => cell.textContent)");
        let numbers = (0..6).map(|layer| value(1, 1, 3, layer).to_string());
        assert_eq!(row, json!(["3 le*".to_owned()].into_iter().chain(numbers).collect::<Vec<_>>()));
        assert_eq!(
            page.eval("document.querySelectorAll('#tables thead th[scope=col]').length"),
            json!(7)
        );
        assert_eq!(
            page.eval("document.querySelectorAll('#tables tbody th[scope=row]').length"),
            json!(10)
        );
        // What would be saved is kept instead.
        page.eval(
            "(() => { window.saved = []; const url = URL.createObjectURL; \
             URL.createObjectURL = blob => { if (blob.type === 'text/csv') window.csv = blob; return url(blob); }; \
             HTMLAnchorElement.prototype.click = function () { window.saved.push([this.download, this.href]); }; })()",
        );
        page.eval(
            "document.querySelectorAll('figcaption button').forEach(button => button.click())",
        );
        page.wait("window.saved.length === 3");
        page.eval("window.csv.text().then(text => { window.lines = text.split('\\r\\n'); })");
        page.wait("window.lines !== undefined");
        let head = "run,case,kind,site,metric,layer,position,token,value,low,high,clean,corrupted,base,source,recovery,effect,std,n";
        assert_eq!(page.eval("window.lines[0]"), json!(head));
        let cell = format!(
            "\"a\",\"1\",\"mlp\",\"mlp_out\",\"prob\",\"4\",\"3\",\"le\",{},",
            value(1, 1, 3, 4)
        );
        assert_eq!(
            page.eval(&format!("window.lines.filter(line => line.startsWith({cell:?})).length")),
            json!(1)
        );
        assert_eq!(page.eval("window.lines.length"), json!(1 + 60 + 1));
        let names = page.eval("window.saved.map(([name]) => name).sort()");
        let name = "1-mlp-mlp_out-prob-value";
        assert_eq!(names, json!(["csv", "png", "svg"].map(|end| format!("{name}.{end}"))));
    });
}

#[test]
fn a_narrow_window_needs_no_scrolling_sideways() {
    check(&html(&traces(2, 6)), "#case=1", |page| {
        page.resize(500.0, 900.0);
        page.wait("innerWidth <= 500 && document.querySelector('.plot').clientWidth < innerWidth");
        assert_eq!(page.eval("document.documentElement.scrollWidth <= innerWidth"), json!(true));
    });
}

#[test]
fn every_control_has_a_name() {
    check(&html(&pair()), "", |page| {
        let nameless = "[...document.querySelectorAll('select, input, button')].filter(control => \
                        !control.labels?.length && !control.ariaLabel && !control.textContent).length";
        assert_eq!(page.eval(nameless), json!(0));
        assert_eq!(
            page.eval("document.querySelectorAll('.plot[tabindex=\"0\"][aria-label]').length"),
            json!(1)
        );
    });
}

#[test]
fn one_of_1209_cases_is_found_and_shown() {
    check(&html(&traces(1209, 6)), "", |page| {
        assert_eq!(page.eval("document.querySelectorAll('#case option').length"), json!(1210));
        page.eval("document.querySelector('#search').focus()");
        page.write("(1208)");
        page.wait("document.querySelector('#found').textContent === '1 of 1209 cases'");
        page.choose("#case", "=1208");
        page.choose("#controls [name=kind]", "attn");
        close(&shown(page, 0), &expected(1208, 2));
    });
}

#[test]
fn what_cannot_be_shown_is_told() {
    let mut none = traces(1, 6);
    none.rows.clear();
    none.cases[0].failure = Some("NaN <b>in</b> layer 3".to_owned());
    check(&html(&none), "", |page| {
        assert_eq!(page.text("#summary"), "This case failed: NaN <b>in</b> layer 3");
        assert_eq!(page.text("#scale"), "Nothing was measured of this case.");
    });
    none.cases.clear();
    check(&html(&none), "", |page| assert_eq!(page.text("#scale"), "There are no cases."));
}
