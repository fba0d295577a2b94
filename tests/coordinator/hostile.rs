//! Whatever text a hostile instance has anywhere, no format of a report lets it act: on a terminal, in a page, in a table.

use eic_doctor::render::{Format, write};
use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::render::Style;
use eic_doctor_proto::{Fact, FailOn};
use serde_json::Value;

use crate::support::{named, report};

/// Colours of a terminal, its title, a line that runs backwards, C1's CSI, the end of a line; tags, the end of CDATA and of a script; a
/// command and a formula.
const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;x\u{7}\u{202e}\u{2066}\u{9b}2J\r\n\u{2028}\u{ffff}<script>alert(1)</script><img src=x onerror=alert(1)>]]>--> $(id)`id`|=1+1";

#[test]
fn no_format_lets_a_hostile_instance_s_text_act() {
    let mut world = named("recorded-healthy");
    let (facts, many) = hostile(world.facts.os.known().unwrap());
    assert!(many > 100, "only {many} texts of the facts could be made hostile");
    world.facts.os = Fact::Known(facts);
    let attempt = world.attempt();
    let mut report = report(&world.facts, &attempt);
    // Findings for Security Hub are of a time and an instance, in an account and a Region.
    report.started = "2026-11-28T12:00:00Z".to_owned();
    report.subject.instance_id = Some("i-0123456789abcdef0".to_owned());
    report.subject.account_id = Some("111122223333".to_owned());
    report.subject.region = Some("eu-west-1".to_owned());
    let seen = serde_json::to_string(&report).unwrap();
    assert!(seen.matches("<script>alert(1)").count() > 10, "hardly anything of it is in the report");
    for (name, format) in Format::ALL {
        for color in [false, true] {
            let mut bytes = Vec::new();
            write(&report, format, Style { color, verbose: true }, FailOn::Warn, &mut bytes).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains("alert(1)"), "{name} shows nothing of it");
            let hidden = |character: &char| matches!(u32::from(*character), 0..=9 | 0xb..=0x1f | 0x7f..=0x9f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfffe..=0xffff);
            // Our own colours are the only escape sequences.
            let own = matches!(format, Format::Human) && color;
            let text_alone = if own { without_colours(&text) } else { text.clone() };
            let found = text_alone.chars().find(hidden);
            assert_eq!(found, None, "{name} lets {found:?} through");
            if matches!(format, Format::Html | Format::Junit) {
                assert!(!text.contains("<script>alert") && !text.contains("<img src=x"), "{name} lets a tag through");
            }
        }
    }
}

/// Each text of the facts that may be anything is replaced; how many were.
fn hostile(facts: &OsFacts) -> (OsFacts, usize) {
    let mut tree = serde_json::to_value(facts).unwrap();
    let mut paths = Vec::new();
    texts(&tree, &mut String::new(), &mut paths);
    let mut many = 0;
    for path in paths {
        let place = tree.pointer_mut(&path).unwrap();
        let before = std::mem::replace(place, Value::String(HOSTILE.to_owned()));
        // A word of an enumeration, an address or a time may not.
        match serde_json::from_value::<OsFacts>(tree.clone()) {
            Ok(_) => many += 1,
            Err(_) => *tree.pointer_mut(&path).unwrap() = before,
        }
    }
    (serde_json::from_value(tree).unwrap(), many)
}

/// RFC 6901, to every text.
fn texts(tree: &Value, at: &mut String, paths: &mut Vec<String>) {
    let mut below = |name: String, value: &Value, paths: &mut Vec<String>| {
        let here = at.len();
        at.push('/');
        at.push_str(&name.replace('~', "~0").replace('/', "~1"));
        texts(value, at, paths);
        at.truncate(here);
    };
    match tree {
        Value::String(_) => paths.push(at.clone()),
        Value::Array(values) => values.iter().enumerate().for_each(|(n, value)| below(n.to_string(), value, paths)),
        Value::Object(values) => values.iter().for_each(|(name, value)| below(name.clone(), value, paths)),
        _ => {}
    }
}

/// Without `ESC [ … m`.
fn without_colours(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |plain, piece| {
        let (codes, rest) = piece.split_once('m').expect("a colour ends");
        assert!(codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'), "{codes:?} is no colour");
        plain + rest
    })
}
