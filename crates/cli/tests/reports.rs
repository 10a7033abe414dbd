//! `tracewright report`: figures over cases, of two runs, and of single cases again.

mod common;

use common::{Place, fixture};
use serde_json::json;

const TRACE: [&str; 8] =
    ["--kind", "hidden,mlp", "--samples", "2", "--sever", "attn", "--memory", "1GiB"];

fn traced(place: &Place, out: &str, limit: &str, noise: &str) {
    let facts = fixture("known_1000.json");
    let flags = ["trace", "--facts", &facts, "--limit", limit, "--noise", noise, "--out", out];
    place.output(&[&flags[..], &TRACE].concat());
}

#[test]
fn a_report_draws_what_the_cases_say_together_and_names_the_files() {
    let place = Place::new();
    traced(&place, "two", "2", "s3");
    let shown = place.output(&["report", "two"]);
    assert!(shown.contains("Average indirect effect of restoring MLP, over 2 cases"), "{shown}");
    assert!(shown.contains("figure two/figures/average_effects.png"), "{shown}");
    let report = place.json(&["report", "two", "--format", "svg"]);
    let names = ["average_effects", "average_effects_curve", "severed_effects"];
    assert_eq!(report["figures"], json!(names.map(|name| format!("two/figures/{name}.svg"))));
    let svg = String::from_utf8(place.read("two/figures/severed_effects.svg")).expect("text");
    assert!(svg.contains("effect with Attn severed"), "{svg}");
}

#[test]
fn cases_are_drawn_again_in_other_colours_and_the_other_way() {
    let place = Place::new();
    traced(&place, "two", "2", "s3");
    let read = |name: &str| {
        String::from_utf8(place.read(&format!("two/figures/{name}.svg"))).expect("text")
    };
    assert!(read("knowledge_1_severed").contains("single restored layer"));
    let before = (read("knowledge_0"), read("knowledge_1"));
    let again = ["report", "two", "--cases", "1", "--transpose", "--colors", "safe"];
    place.output(&again);
    assert_eq!(read("knowledge_0"), before.0);
    let turned = read("knowledge_1");
    assert!(turned.contains("rotate(270") && turned.contains("down: single restored layer"));
    assert!(!before.1.contains("rotate(270"), "tokens stand down unless asked");
    let message = place.message(&["report", "two", "--cases", "11"]);
    assert!(message.contains("there is no case '11' in these results; the nearest are 1, 0"));
    assert!(place.message(&["report", "two", "--format", "gif"]).contains("png, svg"));
}

#[test]
fn two_runs_stand_beside_their_difference() {
    let place = Place::new();
    traced(&place, "strong", "2", "s3");
    traced(&place, "weak", "2", "0.01");
    let report = place.json(&["report", "weak", "--against", "strong", "--format", "svg"]);
    assert_eq!(
        report["figures"],
        json!([
            "weak/figures/against_hidden_resid_post_prob.svg",
            "weak/figures/against_mlp_mlp_out_prob.svg",
            "weak/figures/against_severed_attn_resid_post_prob_last-subject.svg"
        ])
    );
    let svg = place.read("weak/figures/against_hidden_resid_post_prob.svg");
    let svg = String::from_utf8(svg).expect("text");
    assert!(svg.contains("weak − strong"), "{svg}");
}

#[test]
fn pairs_have_averages_by_metric() {
    let place = Place::new();
    let pairs = ["--site", "resid_post", "--metric", "kl,prob", "--per", "layer"];
    place.output(&[&["pair", "--out", "pairs"][..], &pairs].concat());
    let report = place.json(&["report", "pairs", "--format", "png"]);
    let names = ["averages_kl", "averages_kl_curve", "averages_prob", "averages_prob_curve"];
    assert_eq!(report["figures"], json!(names.map(|name| format!("pairs/figures/{name}.png"))));
}
