//! The hub's client against a hub on this machine.

mod server;

use std::cell::RefCell;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use server::{COMMIT, Request, Server, What, etag};
use tempfile::TempDir;
use tracewright_models::hub::{Hub, HubError};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const ID: &str = "org/tiny";
const TOKEN: &str = "hf_verysecret";
const FOLDER: &str = "models--org--tiny";
const CDN: &str = "/cdn/model.safetensors";

/// A hub with a model, and an empty cache.
struct World {
    server: Server,
    cache: TempDir,
}

/// Longer than one read, and no two places alike.
fn weights() -> Vec<u8> {
    (0..50_000_u32).flat_map(u32::to_le_bytes).collect()
}

impl World {
    fn new() -> io::Result<Self> {
        let weights = weights();
        Self::with(&[("model.safetensors", &weights, true)])
    }

    /// With these weights and what goes with them.
    fn with(weights: &[(&'static str, &[u8], bool)]) -> io::Result<Self> {
        let others: [(&str, &[u8], bool); 5] = [
            ("README.md", b"# Tiny", false),
            ("config.json", br#"{"model_type": "gpt2"}"#, false),
            ("tokenizer.json", b"{}", true),
            ("generation_config.json", b"", false),
            ("rust_model.ot", b"other weights", true),
        ];
        let server = Server::start(&[&others, weights].concat())?;
        Ok(Self { server, cache: tempfile::tempdir()? })
    }

    fn hub(&self) -> Hub {
        Hub::from_env()
            .endpoint(&self.server.endpoint)
            .cache(Some(self.cache.path().to_owned()))
            .token(Some(TOKEN.to_owned()))
            .offline(false)
            .retries(3, Duration::ZERO)
    }

    fn get(&self) -> Result<PathBuf, HubError> {
        self.hub().snapshot(ID, None, &|_| {})
    }

    /// The message of the error that there should be.
    fn refused(&self) -> String {
        self.get().map_or_else(|error| error.to_string(), |path| format!("got {}", path.display()))
    }

    fn offline(&self) -> Result<PathBuf, HubError> {
        self.hub().offline(true).snapshot(ID, None, &|_| {})
    }

    fn folder(&self) -> PathBuf {
        self.cache.path().join(FOLDER)
    }

    fn blob(&self) -> PathBuf {
        self.folder().join("blobs").join(etag(&weights(), true))
    }

    fn partial(&self) -> PathBuf {
        self.blob().with_extension("incomplete")
    }

    /// Leaves what a killed download would.
    fn leave(&self, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(self.folder().join("blobs"))?;
        fs::write(self.partial(), content)
    }

    /// The ranges that the CDN was asked for, of the weights.
    fn ranges(&self) -> Vec<Option<String>> {
        let requests = self.server.requests().into_iter();
        let weights = requests.filter(|request| request.path.starts_with(CDN));
        weights.map(|request| request.headers.get("range").cloned()).collect()
    }
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(folder)?.flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

#[test]
fn a_model_is_downloaded_into_the_layout_that_python_has() -> Outcome {
    let world = World::new()?;
    let snapshot = world.get()?;
    assert_eq!(snapshot, world.folder().join("snapshots").join(COMMIT));
    let wanted = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"];
    assert_eq!(names(&snapshot)?, wanted);
    assert_eq!(fs::read(snapshot.join("model.safetensors"))?, weights());
    assert_eq!(fs::read_to_string(world.folder().join("refs/main"))?, COMMIT);
    let config = etag(&fs::read(snapshot.join("config.json"))?, false);
    assert!(world.folder().join("blobs").join(&config).is_file());
    let lock = format!("{config}.lock");
    assert!(world.cache.path().join(".locks").join(FOLDER).join(lock).is_file());
    #[cfg(unix)]
    assert_eq!(fs::read_link(snapshot.join("config.json"))?, Path::new("../../blobs").join(config));
    Ok(())
}

#[test]
fn the_token_goes_to_the_hub_and_to_no_other_host() -> Outcome {
    let world = World::new()?;
    world.get()?;
    let token = |request: &Request| request.headers.get("authorization").cloned();
    let (cdn, hub): (Vec<_>, Vec<_>) =
        world.server.requests().into_iter().partition(|request| request.cdn);
    assert_eq!(cdn.len(), 2);
    assert!(cdn.iter().all(|request| token(request).is_none()));
    assert!(hub.iter().all(|request| token(request) == Some(format!("Bearer {TOKEN}"))));
    Ok(())
}

#[test]
fn progress_counts_the_files_and_ends_with_each_ones_size() -> Outcome {
    let world = World::new()?;
    let told = RefCell::new(vec![]);
    world.hub().snapshot(ID, None, &|d| {
        assert!(d.done <= d.size && d.files == 4);
        told.borrow_mut().push((d.number, d.file.to_owned(), d.done == d.size));
    })?;
    let whole: Vec<_> = told.into_inner().into_iter().filter(|(_, _, whole)| *whole).collect();
    let numbers: Vec<usize> = whole.iter().map(|(number, _, _)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    assert_eq!(whole[3].1, "model.safetensors");
    Ok(())
}

#[test]
fn a_second_call_asks_for_the_listing_and_downloads_nothing() -> Outcome {
    let world = World::new()?;
    let first = world.get()?;
    world.server.requests();
    assert_eq!(world.get()?, first);
    let requests = world.server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/api/models/org/tiny/revision/main?blobs=true");
    Ok(())
}

#[test]
fn a_new_commit_brings_only_the_files_that_changed() -> Outcome {
    let world = World::new()?;
    let first = world.get()?;
    world.server.with(|state| {
        state.commit = "decade0123456789decade0123456789decade01";
        state.files.insert("config.json", (b"{}".to_vec(), false));
    });
    world.server.requests();
    let second = world.get()?;
    assert_ne!(first, second);
    assert_eq!(world.server.requests().len(), 2);
    assert_eq!(fs::read(second.join("config.json"))?, b"{}");
    assert_eq!(fs::read(second.join("model.safetensors"))?, weights());
    assert_eq!(world.offline()?, second);
    // The old commit can still be asked for by its name, and gets no ref of its own.
    assert_eq!(world.hub().offline(true).snapshot(ID, Some(COMMIT), &|_| {})?, first);
    assert_eq!(names(&world.folder().join("refs"))?, ["main"]);
    Ok(())
}

#[test]
fn a_branch_with_a_slash_is_found_again() -> Outcome {
    let world = World::new()?;
    let hub = world.hub();
    let snapshot = hub.snapshot(ID, Some("refs/pr/1"), &|_| {})?;
    let asked = &world.server.requests()[0].path;
    assert_eq!(asked, "/api/models/org/tiny/revision/refs%2Fpr%2F1?blobs=true");
    assert_eq!(hub.offline(true).snapshot(ID, Some("refs/pr/1"), &|_| {})?, snapshot);
    Ok(())
}

#[test]
fn a_dropped_connection_goes_on_where_it_broke() -> Outcome {
    let world = World::new()?;
    world.server.fault(CDN, 1, What::Drop(70_000));
    world.server.fault(CDN, 1, What::Drop(30_000));
    let snapshot = world.get()?;
    assert_eq!(fs::read(snapshot.join("model.safetensors"))?, weights());
    let ranges = [None, Some("bytes=70000-".to_owned()), Some("bytes=100000-".to_owned())];
    assert_eq!(world.ranges(), ranges);
    assert!(!world.partial().exists());
    Ok(())
}

#[test]
fn a_download_that_was_killed_is_continued_by_the_next_call() -> Outcome {
    let world = World::new()?;
    world.leave(&weights()[..120_000])?;
    let snapshot = world.get()?;
    assert_eq!(fs::read(snapshot.join("model.safetensors"))?, weights());
    assert_eq!(world.ranges(), [Some("bytes=120000-".to_owned())]);
    Ok(())
}

#[test]
fn a_partial_file_that_is_whole_needs_no_download() -> Outcome {
    let world = World::new()?;
    world.leave(&weights())?;
    world.get()?;
    assert_eq!(world.ranges(), []);
    assert_eq!(fs::read(world.blob())?, weights());
    Ok(())
}

#[test]
fn a_partial_file_of_something_else_is_replaced() -> Outcome {
    for left in [vec![7; 1000], vec![7; 200_000], vec![7; 999_999]] {
        let world = World::new()?;
        world.leave(&left)?;
        let snapshot = world.get()?;
        assert_eq!(fs::read(snapshot.join("model.safetensors"))?, weights());
    }
    Ok(())
}

#[test]
fn a_server_that_ignores_ranges_sends_the_file_from_the_beginning() -> Outcome {
    let world = World::new()?;
    world.server.fault(CDN, 1, What::Drop(70_000));
    world.server.fault(CDN, 1, What::NoRange);
    let snapshot = world.get()?;
    assert_eq!(fs::read(snapshot.join("model.safetensors"))?, weights());
    Ok(())
}

#[test]
fn a_server_that_refuses_the_range_is_asked_for_the_whole_file() -> Outcome {
    let world = World::new()?;
    world.leave(&weights()[..1000])?;
    world.server.fault(CDN, 1, What::Refuse(416, &[]));
    world.get()?;
    assert_eq!(world.ranges(), [Some("bytes=1000-".to_owned()), None]);
    Ok(())
}

#[test]
fn a_file_that_ends_too_early_is_an_error_and_the_rest_comes_next_time() -> Outcome {
    let world = World::new()?;
    world.server.fault(CDN, 1, What::Short(70_000));
    world.server.fault(CDN, 3, What::Short(0));
    let message = world.refused();
    assert!(message.contains("broke off at 70000 of 200000 bytes"), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
    assert!(!world.blob().exists() && world.offline().is_err());
    world.server.requests();
    world.get()?;
    assert_eq!(world.ranges(), [Some("bytes=70000-".to_owned())]);
    assert_eq!(fs::read(world.blob())?, weights());
    Ok(())
}

#[test]
fn damaged_content_is_fetched_once_more_and_then_refused() -> Outcome {
    let world = World::new()?;
    world.server.fault(CDN, 2, What::Corrupt);
    let message = world.refused();
    assert!(message.contains("'model.safetensors' came damaged twice"), "{message}");
    assert!(message.contains(&etag(&weights(), true)), "{message}");
    assert!(!world.blob().exists() && !world.partial().exists());
    world.server.fault(CDN, 1, What::Corrupt);
    world.server.fault("resolve/c0ffee0123456789c0ffee0123456789c0ffee01/config", 1, What::Corrupt);
    world.get()?;
    assert_eq!(fs::read(world.blob())?, weights());
    Ok(())
}

#[test]
fn small_files_are_checked_by_git_s_sum() -> Outcome {
    let world = World::new()?;
    world.server.fault("/config.json", 2, What::Corrupt);
    let message = world.refused();
    assert!(message.contains("'config.json' came damaged twice: its git object name"), "{message}");
    Ok(())
}

#[test]
fn refusals_give_the_reason_and_what_to_do_but_not_the_token() -> Outcome {
    type Case =
        (&'static str, u16, &'static [(&'static str, &'static str)], &'static [&'static str]);
    let cases: [Case; 8] = [
        ("/api/", 401, &[("x-error-code", "RepoNotFound")], &["no model 'org/tiny'", "HF_TOKEN"]),
        ("/api/", 401, &[], &["no model 'org/tiny'", "check the name"]),
        ("/api/", 404, &[("x-error-code", "RepoNotFound")], &["no model 'org/tiny'"]),
        (
            "/api/",
            401,
            &[("x-error-message", "Invalid credentials in Authorization header")],
            &["doesn't accept the token", "Invalid credentials"],
        ),
        (
            "/api/",
            404,
            &[("x-error-code", "RevisionNotFound"), ("x-error-message", "Invalid rev id: main")],
            &["no revision 'main'", "Invalid rev id"],
        ),
        (
            "/resolve/",
            403,
            &[("x-error-code", "GatedRepo"), ("x-error-message", "Access is restricted.")],
            &["is gated", "Access is restricted.", "/org/tiny", "HF_TOKEN"],
        ),
        ("/resolve/", 404, &[("x-error-code", "EntryNotFound")], &["config.json", "404"]),
        ("/api/", 403, &[("x-error-message", "Disabled.")], &["403", "Disabled."]),
    ];
    for (at, status, headers, expected) in cases {
        let world = World::new()?;
        world.server.fault(at, 1, What::Refuse(status, headers));
        let message = world.refused();
        assert!(expected.iter().all(|part| message.contains(part)), "{status}: {message}");
        assert!(!message.contains(TOKEN), "{message}");
        assert!(!format!("{:?}", world.hub()).contains(TOKEN));
    }
    Ok(())
}

#[test]
fn a_hub_with_too_much_to_do_is_asked_again_after_the_time_it_wants() -> Outcome {
    let world = World::new()?;
    world.server.fault("/api/", 1, What::Refuse(429, &[("retry-after", "1")]));
    world.server.fault(CDN, 1, What::Refuse(429, &[]));
    world.server.fault(CDN, 2, What::Refuse(500, &[]));
    let start = Instant::now();
    world.get()?;
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(world.ranges().len(), 4);
    Ok(())
}

#[test]
fn a_wait_of_an_hour_and_failures_without_end_are_errors() -> Outcome {
    let world = World::new()?;
    world.server.fault("/api/", 1, What::Refuse(429, &[("retry-after", "3600")]));
    assert!(world.refused().contains("status 429, it wants 3600 s of waiting"));
    world.server.fault("/api/", 4, What::Refuse(500, &[]));
    world.server.requests();
    assert!(world.refused().contains("status 500"));
    assert_eq!(world.server.requests().len(), 4);
    Ok(())
}

#[test]
fn offline_only_the_cache_is_used() -> Outcome {
    let world = World::new()?;
    let message = world.offline().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains(&world.cache.path().display().to_string()), "{message}");
    assert!(message.contains("HF_HUB_OFFLINE"), "{message}");
    let snapshot = world.get()?;
    world.server.requests();
    assert_eq!(world.offline()?, snapshot);
    assert!(world.server.requests().is_empty());
    let tag = world.hub().offline(true).snapshot(ID, Some("v1"), &|_| {});
    assert!(matches!(tag, Err(HubError::NotCached { .. })));
    Ok(())
}

#[test]
fn without_a_connection_a_complete_snapshot_serves() -> Outcome {
    let world = World::new()?;
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let nowhere = |world: &World| {
        world.hub().endpoint(&format!("http://{closed}")).snapshot(ID, None, &|_| {})
    };
    assert!(matches!(nowhere(&world), Err(HubError::Unreachable { .. })));
    let snapshot = world.get()?;
    assert_eq!(nowhere(&world)?, snapshot);
    world.server.fault("/api/", 1, What::Refuse(503, &[]));
    assert_eq!(world.get()?, snapshot);
    // A model that is gone isn't replaced by an old copy of it.
    world.server.fault("/api/", 1, What::Refuse(404, &[("x-error-code", "RepoNotFound")]));
    assert!(matches!(world.get(), Err(HubError::NoModel { .. })));
    Ok(())
}

#[test]
fn a_snapshot_that_python_made_without_links_is_found() -> Outcome {
    let world = World::new()?;
    let snapshot = world.folder().join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot)?;
    fs::create_dir_all(world.folder().join("refs"))?;
    fs::write(world.folder().join("refs/main"), COMMIT)?;
    world.server.with(|state| {
        let held = ["config.json", "tokenizer.json", "model.safetensors", "generation_config.json"];
        held.iter().try_for_each(|name| fs::write(snapshot.join(name), &state.files[name].0))
    })?;
    assert_eq!(world.offline()?, snapshot);
    assert_eq!(world.get()?, snapshot);
    assert_eq!(world.server.requests().len(), 1);
    Ok(())
}

const INDEX: &str = r#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}"#;

#[test]
fn sharded_weights_come_with_their_index() -> Outcome {
    let world = World::with(&[
        ("model.safetensors.index.json", INDEX.as_bytes(), false),
        ("model-1.safetensors", b"one", true),
        ("model-2.safetensors", b"two", true),
        ("model-3.safetensors", b"not in the index", true),
        ("pytorch_model.bin", b"not needed", true),
    ])?;
    let snapshot = world.get()?;
    assert_eq!(fs::read(snapshot.join("model-2.safetensors"))?, b"two");
    assert!(!snapshot.join("model-3.safetensors").exists());
    assert!(!snapshot.join("pytorch_model.bin").exists());
    assert_eq!(world.offline()?, snapshot);
    fs::remove_file(snapshot.join("model-2.safetensors"))?;
    assert!(world.offline().is_err());
    world.server.requests();
    world.get()?;
    assert_eq!(world.server.requests().len(), 1);
    assert_eq!(fs::read(snapshot.join("model-2.safetensors"))?, b"two");
    Ok(())
}

#[test]
fn an_index_may_only_name_weights_beside_it() -> Outcome {
    for name in
        ["../../evil", "../../evil.bin", "/etc/x.bin", "a/b.bin", ".x.bin", "c.py", "x?.bin"]
    {
        let index = format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#);
        let world = World::with(&[("pytorch_model.bin.index.json", index.as_bytes(), false)])?;
        let message = world.refused();
        assert!(message.contains("isn't a file of weights beside it"), "{message}");
        assert_eq!(world.server.requests().len(), 2);
    }
    let world = World::with(&[("model.safetensors.index.json", b"[", false)])?;
    assert!(world.refused().contains("isn't an index of weights"));
    Ok(())
}

#[test]
fn a_shard_that_the_repository_lacks_is_named() -> Outcome {
    let world = World::with(&[
        ("model.safetensors.index.json", INDEX.as_bytes(), false),
        ("model-1.safetensors", b"one", true),
    ])?;
    assert!(world.refused().contains("has no model-2.safetensors; it has: README.md, config.json"));
    Ok(())
}

#[test]
fn a_model_without_weights_or_tokenizer_is_refused_with_what_it_has() -> Outcome {
    let world = World::with(&[("tiny.gguf", b"GGUF", true)])?;
    let message = world.refused();
    assert!(message.contains("no weights that can be read (one of model.safetensors"), "{message}");
    assert!(message.contains("tiny.gguf"), "{message}");
    world.server.with(|state| state.files.remove("tokenizer.json"));
    assert!(world.refused().contains("has no tokenizer.json; it has: README.md"));
    assert!(!world.folder().join("snapshots").exists());
    Ok(())
}

#[test]
fn pytorch_s_weights_are_taken_where_there_are_no_safetensors() -> Outcome {
    let world = World::with(&[("pytorch_model.bin", b"pickle", true)])?;
    assert_eq!(fs::read(world.get()?.join("pytorch_model.bin"))?, b"pickle");
    Ok(())
}

#[test]
fn answers_that_are_no_hub_s_are_refused() -> Outcome {
    let odd = [
        "<html>",
        r#"{"sha": "../../x", "siblings": []}"#,
        r#"{"sha": "c0ffee0123456789c0ffee0123456789c0ffee01", "siblings": [
            {"rfilename": "config.json", "size": 2, "blobId": "../../../../evil"},
            {"rfilename": "tokenizer.json"}, {"rfilename": "model.safetensors"}]}"#,
    ];
    for body in odd {
        let world = World::new()?;
        world.server.fault("/api/", 1, What::Say(body));
        assert!(matches!(world.get(), Err(HubError::BadAnswer { .. })), "{body}");
        assert!(names(world.cache.path())?.is_empty());
    }
    let world = World::new()?;
    world.server.fault("/", 99, What::Redirect("/again"));
    assert!(world.refused().contains("too many redirects"));
    Ok(())
}

#[test]
fn names_and_revisions_that_could_leave_the_cache_are_refused_unasked() -> Outcome {
    let world = World::new()?;
    for id in ["", "..", "../x", "a/b/c", "/etc", "a//b", "a\\b", "a--b", "org/.x", "org/x?y", "ü"]
    {
        let result = world.hub().snapshot(id, None, &|_| {});
        assert!(matches!(result, Err(HubError::BadId { .. })), "{id}");
    }
    for revision in ["", "../x", "a/../b", "/x", "a//b", "a\\b", "a b", "x?y"] {
        let result = world.hub().snapshot(ID, Some(revision), &|_| {});
        assert!(matches!(result, Err(HubError::BadRevision { .. })), "{revision}");
    }
    let result = world.hub().cache(None).snapshot(ID, None, &|_| {});
    assert!(matches!(result, Err(HubError::NoCacheFolder)));
    assert!(world.server.requests().is_empty());
    for id in ["gpt2", "openai-community/gpt2", "Qwen/Qwen2.5-0.5B", "org/a_b.c-d"] {
        world.hub().snapshot(id, None, &|_| {})?;
    }
    Ok(())
}

#[test]
fn a_moved_model_is_followed_on_the_same_host_with_the_token() -> Outcome {
    let world = World::new()?;
    world.server.fault("models/org/tiny", 1, What::Redirect("/api/models/new/tiny"));
    world.get()?;
    let moved = world.server.requests().swap_remove(1);
    assert_eq!(moved.path, "/api/models/new/tiny");
    assert!(moved.headers.contains_key("authorization"));
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_cache_that_can_t_be_written_is_named() -> Outcome {
    let world = World::new()?;
    fs::write(world.folder(), "a file where a folder should be")?;
    let message = world.refused();
    assert!(message.contains(&world.folder().display().to_string()), "{message}");
    assert!(message.contains("HF_HUB_CACHE"), "{message}");
    Ok(())
}

#[test]
fn two_calls_at_once_download_each_file_once() -> Outcome {
    let world = World::new()?;
    let paths: Vec<_> = thread::scope(|scope| {
        let calls = [scope.spawn(|| world.get()), scope.spawn(|| world.get())];
        calls.into_iter().map(|call| call.join().ok()?.ok()).collect()
    });
    assert!(paths[0].is_some() && paths[0] == paths[1]);
    assert_eq!(world.ranges(), [None]);
    Ok(())
}

#[test]
fn a_server_that_speaks_no_tls_is_unreachable_over_https() -> Outcome {
    let world = World::new()?;
    let endpoint = world.server.endpoint.replace("http:", "https:");
    let result = world.hub().endpoint(&endpoint).retries(0, Duration::ZERO);
    let error = result.snapshot(ID, None, &|_| {}).err().ok_or("no error")?;
    assert!(matches!(error, HubError::Unreachable { .. }), "{error}");
    assert!(world.server.requests().iter().all(|request| request.headers.is_empty()));
    Ok(())
}

#[test]
fn files_larger_than_ten_megabytes_come_whole() -> Outcome {
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let world = World::with(&[("model.safetensors", &large, true)])?;
    assert!(fs::read(world.get()?.join("model.safetensors"))? == large);
    Ok(())
}
