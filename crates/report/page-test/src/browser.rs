//! A page in a headless Chromium.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs};

use headless_chrome::protocol::cdp::types::Event;
use headless_chrome::protocol::cdp::{Emulation, Page as Pages};
use headless_chrome::types::Bounds;
use headless_chrome::{Browser, LaunchOptions, Tab};
use serde_json::Value;
use tempfile::TempDir;

/// How long a page may take for something that it should do at once. Nothing is slower when this is longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The browser: what `CHROME` names, or else the first of the usual names that is on the path.
pub fn chromium() -> Option<PathBuf> {
    let named = env::var_os("CHROME").map(PathBuf::from);
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    named.into_iter().chain(found).find(|path| path.is_file())
}

/// A page that is open, and everything that it complained of.
pub struct Page {
    tab: Arc<Tab>,
    complaints: Arc<Mutex<Vec<String>>>,
    address: String,
    // Dropped last.
    _browser: Browser,
    _folder: TempDir,
}

impl Page {
    /// Opens a document from disk at a part of it; none where there is no browser, which is told.
    #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub fn open(html: &str, part: &str) -> Option<Self> {
        let Some(path) = chromium() else {
            eprintln!("skipped: no Chromium is on the path, and CHROME names none");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("report.html");
        fs::write(&file, html).expect("a file");
        let options = LaunchOptions {
            path: Some(path),
            // Tests run as root in containers, where Chromium has no sandbox.
            sandbox: false,
            window_size: Some((1300, 1000)),
            idle_browser_timeout: PATIENCE * 4,
            ..LaunchOptions::default()
        };
        let browser = Browser::new(options).expect("a browser");
        let tab = browser.new_tab().expect("a tab");
        tab.set_default_timeout(PATIENCE);
        let complaints = Arc::new(Mutex::new(Vec::new()));
        listen(&tab, Arc::clone(&complaints));
        let address = format!("file://{}", file.display());
        let page = Self { tab, complaints, address, _browser: browser, _folder: folder };
        page.go(part);
        Some(page)
    }

    /// Opens another part of the document, loading it anew.
    pub fn go(&self, part: &str) {
        self.tab
            .navigate_to("about:blank")
            .and_then(|tab| tab.wait_until_navigated())
            .expect("an empty page");
        self.tab.navigate_to(&format!("{}{part}", self.address)).expect("the page");
        self.wait("document.querySelector('.plot .plotly .main-svg, #scale:not(:empty)') !== null");
    }

    /// What an expression is, as JSON.
    pub fn eval(&self, expression: &str) -> Value {
        let result =
            self.tab.evaluate(&format!("JSON.stringify({expression})"), true).expect("a result");
        let text = result.value.as_ref().and_then(Value::as_str).unwrap_or("null").to_owned();
        serde_json::from_str(&text).expect("JSON")
    }

    /// The text of the first element.
    pub fn text(&self, selector: &str) -> String {
        let text = self.eval(&format!("document.querySelector({selector:?})?.textContent"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait(&self, expression: &str) {
        let started = Instant::now();
        while self.eval(expression) != Value::Bool(true) {
            assert!(
                started.elapsed() < PATIENCE,
                "never true: {expression}\n{:?}",
                self.complaints()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Chooses an option of a select, as a person does.
    pub fn choose(&self, select: &str, value: &str) {
        let chosen = self.eval(&format!(
            "(() => {{ const s = document.querySelector({select:?}); s.value = {value:?}; \
             s.dispatchEvent(new Event('change', {{ bubbles: true }})); return s.value; }})()"
        ));
        assert_eq!(chosen, value, "{select} has no such option");
    }

    /// Presses a key in the element that has the focus.
    pub fn press(&self, key: &str) {
        self.tab.press_key(key).expect("a key");
    }

    /// Writes into the element that has the focus.
    pub fn write(&self, text: &str) {
        self.tab.type_str(text).expect("keys");
    }

    /// Moves the mouse onto a cell of a heatmap, or clicks it.
    pub fn point_at(&self, plot: usize, column: usize, row: usize, click: bool) {
        let at = |offset: f64| {
            let point = self.eval(&format!(
                "(() => {{ const d = document.querySelectorAll('.plot')[{plot}]; d.scrollIntoView({{ block: 'center' }}); \
                 const r = d.getBoundingClientRect(), {{ xaxis: x, yaxis: y }} = d._fullLayout; \
                 return [r.left + x._offset + x.l2p({column}) + {offset}, r.top + y._offset + y.l2p({row})]; }})()"
            ));
            let number = |index: usize| point[index].as_f64().expect("a number");
            headless_chrome::browser::tab::point::Point { x: number(0), y: number(1) }
        };
        // A browser tells of a mouse only when it moves.
        self.tab.move_mouse_to_point(at(3.0)).expect("a mouse");
        self.tab.move_mouse_to_point(at(0.0)).expect("a mouse");
        if click {
            self.tab.click_point(at(0.0)).expect("a click");
        }
    }

    /// Takes the system's appearance for dark or light.
    pub fn prefer(&self, scheme: &str) {
        let feature =
            Emulation::MediaFeature { name: "prefers-color-scheme".into(), value: scheme.into() };
        let media = Emulation::SetEmulatedMedia { media: None, features: Some(vec![feature]) };
        self.tab.call_method(media).expect("an appearance");
    }

    /// Makes the window this wide.
    pub fn resize(&self, width: f64, height: f64) {
        let bounds =
            Bounds::Normal { left: None, top: None, width: Some(width), height: Some(height) };
        self.tab.set_bounds(bounds).expect("a size");
    }

    /// A picture of the window.
    pub fn picture(&self) -> Vec<u8> {
        let format = Pages::CaptureScreenshotFormatOption::Png;
        self.tab.capture_screenshot(format, None, None, true).expect("a picture")
    }

    /// What the page complained of: errors, whatever it wrote to the console, and dialogs.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().expect("a list").clone()
    }
}

fn listen(tab: &Tab, complaints: Arc<Mutex<Vec<String>>>) {
    tab.enable_runtime().and_then(|tab| tab.enable_log()).expect("a console");
    let listener = move |event: &Event| {
        let complaint = match event {
            Event::RuntimeExceptionThrown(event) => format!("{:?}", event.params),
            Event::RuntimeConsoleAPICalled(event) => format!("{:?}", event.params),
            Event::LogEntryAdded(event) => format!("{:?}", event.params),
            Event::PageJavascriptDialogOpening(event) => format!("{:?}", event.params),
            _ => return,
        };
        complaints.lock().expect("a list").push(complaint);
    };
    tab.add_event_listener(Arc::new(listener)).expect("a listener");
}
