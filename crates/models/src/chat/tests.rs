use std::fs;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::{ChatError, ChatTemplate};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/goldens/chat.json");
const ECHO: &str = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}";

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().expect("a list")
}

/// Every template of the golden file, with its name and prompts.
fn golden() -> Vec<(String, ChatTemplate, Vec<Value>)> {
    let bytes = fs::read(GOLDEN).expect("the golden file");
    let golden: Value = serde_json::from_slice(&bytes).expect("JSON");
    let special = golden["special"].as_object().expect("an object");
    let case = |case: &Value| {
        let template = ChatTemplate::new(text(case, "template"), special.clone());
        (text(case, "name").to_owned(), template.expect("a template"), list(case, "prompts").into())
    };
    list(&golden, "cases").iter().map(case).collect()
}

fn bare(source: &str) -> Result<String, ChatError> {
    ChatTemplate::new(source, Map::new())?.prompt("Hello")
}

fn problem(source: &str) -> String {
    bare(source).expect_err(source).to_string()
}

/// A checkpoint's folder with these files.
fn folder(files: &[(&str, Value)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, content) in files {
        // A text is written as it is, all else as JSON.
        let content = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        fs::write(folder.path().join(name), content).expect("a file");
    }
    folder
}

fn opened(files: &[(&str, Value)]) -> Result<String, String> {
    let folder = folder(files);
    let prompt = ChatTemplate::open(folder.path()).and_then(|template| template.prompt("Hi"));
    let hide = |error: ChatError| error.to_string().replace(&*folder.path().to_string_lossy(), "~");
    prompt.map_err(hide)
}

#[test]
fn prompts_are_those_of_transformers() {
    for (name, template, prompts) in golden() {
        for prompt in prompts {
            let user = text(&prompt, "user");
            let rendered = template.prompt(user).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(rendered, text(&prompt, "text"), "{name} {user:?}");
        }
    }
}

#[test]
fn the_message_is_found_where_the_template_leaves_it_whole() {
    let mut changed = Vec::new();
    for (name, template, prompts) in golden() {
        for prompt in prompts {
            let (user, rendered) = (text(&prompt, "user"), text(&prompt, "text"));
            match template.message(rendered, user) {
                Some(range) if name == "brackets" || name == "headers" || name == "turns" => {
                    assert_eq!(&rendered[range], user.trim(), "{name}");
                }
                Some(range) => assert_eq!(&rendered[range], user, "{name}"),
                None => changed.push((name.clone(), user.chars().take(7).collect::<String>())),
            }
        }
    }
    let expected = [("thinking", "<think>"), ("python", "{{ bos_")];
    assert_eq!(changed, expected.map(|(name, user)| (name.to_owned(), user.to_owned())));
}

#[test]
fn the_message_is_not_taken_for_the_format_around_it() {
    let source = "<user>{{ messages[0].content }}</user><assistant>";
    let template = ChatTemplate::new(source, Map::new()).expect("a template");
    for (user, start) in [("assistant", 6), ("user", 6), ("</user>", 6)] {
        let prompt = template.prompt(user).expect("a prompt");
        assert_eq!(template.message(&prompt, user), Some(start..start + user.len()));
    }
    let twice = "{{ messages[0].content }}, again: {{ messages[0].content }}.";
    let template = ChatTemplate::new(twice, Map::new()).expect("a template");
    assert_eq!(template.message("ab, again: ab.", "ab"), Some(11..13));
    assert_eq!(template.message("ab, again: ac.", "ab"), None);
    let template = ChatTemplate::new("{{ messages[0].content | upper }}", Map::new());
    assert_eq!(template.expect("a template").message("AB", "ab"), None);
}

#[test]
fn templates_are_read_from_each_of_their_places() {
    let jinja = ("chat_template.jinja", json!("jinja {{ messages[0].content }}\n"));
    let processor = ("chat_template.json", json!({ "chat_template": "processor" }));
    let config = |template: Value| ("tokenizer_config.json", json!({ "chat_template": template }));
    let one = config(json!("config"));
    let several = config(json!([
        { "name": "tool_use", "template": "tools" },
        { "name": "default", "template": "several" },
    ]));
    let cases = [
        (vec![jinja, one.clone(), processor.clone()], "jinja Hi"),
        (vec![one, processor.clone()], "config"),
        (vec![several, processor.clone()], "several"),
        (vec![config(Value::Null), processor.clone()], "processor"),
        (vec![processor], "processor"),
    ];
    for (files, expected) in cases {
        assert_eq!(opened(&files).as_deref(), Ok(expected));
    }
}

#[test]
fn special_tokens_are_texts_or_objects_and_may_be_missing() {
    let jinja = ("chat_template.jinja", json!(ECHO));
    let config = json!({ "bos_token": null, "eos_token": { "content": "</s>", "special": true } });
    let map = ("special_tokens_map.json", json!({ "bos_token": { "content": "<s>" } }));
    let listed = json!({ "bos_token": "<b>", "added_tokens_decoder": {} });
    let cases = [
        (vec![jinja.clone()], "Hi"),
        (vec![jinja.clone(), ("tokenizer_config.json", config.clone())], "Hi</s>"),
        (vec![jinja.clone(), ("tokenizer_config.json", config), map.clone()], "<s>Hi</s>"),
        (vec![jinja, ("tokenizer_config.json", listed), map], "<b>Hi"),
    ];
    for (files, expected) in cases {
        assert_eq!(opened(&files).as_deref(), Ok(expected));
    }
}

#[test]
fn a_folder_without_a_usable_template_says_so() {
    let several = json!({ "chat_template": [{ "name": "rag", "template": "" }] });
    let cases = [
        (
            "tokenizer_config.json",
            json!({}),
            "the model folder '~' has no chat template (chat_template.jinja, or chat_template in \
             tokenizer_config.json): leave --chat out, or take the instruct checkpoint",
        ),
        (
            "tokenizer_config.json",
            several,
            "~/tokenizer_config.json: of the chat templates none is named 'default' (rag): write \
             the right one to chat_template.jinja beside it",
        ),
        (
            "tokenizer_config.json",
            json!({ "chat_template": 1 }),
            "~/tokenizer_config.json: chat_template is neither a text nor a list of templates",
        ),
        (
            "tokenizer_config.json",
            json!("{"),
            "~/tokenizer_config.json: EOF while parsing an object at line 1 column 1",
        ),
    ];
    for (file, content, expected) in cases {
        let error = opened(&[(file, content)]).expect_err(expected);
        assert_eq!(error.replace('\\', "/"), expected);
    }
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("chat_template.jinja")).expect("a folder");
    let error = ChatTemplate::open(folder.path()).expect_err("a folder is no template");
    assert!(matches!(error, ChatError::Unreadable { .. }), "{error}");
    fs::remove_dir(folder.path().join("chat_template.jinja")).expect("the folder");
    fs::write(folder.path().join("chat_template.jinja"), [0xff]).expect("a file");
    let error = ChatTemplate::open(folder.path()).expect_err("these bytes are no text");
    assert!(matches!(error, ChatError::BadFile { .. }), "{error}");
}

#[test]
fn a_templates_own_error_is_shown() {
    let refused = "the chat template refuses the prompt: no user's turn";
    let raise = "{{ raise_exception(\"no user's turn\") }}";
    assert_eq!(problem(raise), refused);
    let deep = format!(
        "{{% macro m() %}}{raise}{{% endmacro %}}{{% for _ in [1] %}}{{{{ m() }}}}{{% endfor %}}"
    );
    assert_eq!(problem(&deep), refused);
}

#[test]
fn what_isnt_supported_is_named_with_its_line() {
    let cases = [
        ("\n{{ 'a'.rsplit() }}", "line 2: unknown method: string has no method named rsplit"),
        ("{% if %}", "line 1: syntax error: unexpected end of block"),
        ("{{ missing.field }}", "line 1: undefined value"),
        (
            "{{ strftime_now('%c') }}",
            "line 1: invalid operation: strftime_now doesn't know all of '%c'",
        ),
        ("{{ [] | tojson(ensure_ascii=true) }}", "line 1: invalid operation: tojson"),
        ("{{ missing | tojson }}", "line 1: invalid operation: tojson"),
        ("{% generation %}", "line 1: syntax error"),
        ("{{ open('/etc/hosts') }}", "line 1: unknown function: open is unknown"),
        ("{% include 'other' %}", "line 1: template not found"),
    ];
    for (source, expected) in cases {
        let problem = problem(source);
        let shown = problem.strip_prefix("the chat template can't be used: ").unwrap_or(&problem);
        assert!(shown.starts_with(expected), "{problem}");
    }
}

#[test]
fn a_hostile_template_ends_with_an_error() {
    let nested = "{% for _ in range(99999) %}{% for _ in range(99999) %}{% endfor %}{% endfor %}";
    let long = "{% for _ in range(100) %}{{ 'x' * 1000000 }}{% endfor %}";
    for source in [nested, long] {
        assert!(matches!(bare(source), Err(ChatError::TooMuch)), "{source}");
    }
    let longer = "x".repeat(100_000);
    assert!(matches!(bare(&longer), Err(ChatError::TooMuch)));
    let call = "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}";
    let include = "{% include 'the chat template' %}";
    let brackets = format!("{{{{ {}", "(".repeat(60_000));
    for source in [call, include, &brackets] {
        assert!(matches!(bare(source), Err(ChatError::BadTemplate { .. })), "{source}");
    }
}

#[test]
fn a_deep_template_overflows_no_stack() {
    let signs = format!("{{{{ {}1 }}}}", "-".repeat(60_000));
    assert_eq!(bare(&signs).ok().as_deref(), Some("1"));
    let calls = format!("{{{{ namespace{} }}}}", "()".repeat(30_000));
    assert!(matches!(bare(&calls), Err(ChatError::BadTemplate { .. })));
    let elifs = format!("{{% if 0 %}}{}{{% endif %}}", "{%elif 0%}".repeat(6_000));
    assert_eq!(bare(&elifs).ok().as_deref(), Some(""));
    let sums = format!("{{{{ 0{} }}}}", "+1".repeat(30_000));
    assert_eq!(bare(&sums).ok().as_deref(), Some("30000"));
    let lists = format!(
        "{{% set n = namespace(a=[]) %}}{{% for _ in range(3000) %}}{{% set n.a = {}n.a{} %}}\
         {{% endfor %}}",
        "[".repeat(20),
        "]".repeat(20)
    );
    let shown = bare(&format!("{lists}{{{{ n.a }}}}")).map(|text| text.len());
    assert_eq!(shown.ok(), Some(120_002));
    let wide = bare(&format!("{lists}{{{{ n.a | tojson(indent=80) }}}}"));
    assert!(matches!(wide, Err(ChatError::BadTemplate { .. })));
}
