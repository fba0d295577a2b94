//! Each parser has its fuzz target (`agent/fuzz/README.md`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Not parsers: the module itself, its tests, and what only other parsers call.
const OTHERS: [&str; 6] = ["mod", "hostile", "der", "words", "nft_words", "packet_words"];

fn stems(folder: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_parser_has_a_fuzz_target_and_every_target_a_corpus() {
    let targets = stems("fuzz/src/bin");
    let parsers = stems("src/parse");
    let missing: Vec<_> =
        parsers.iter().filter(|name| !OTHERS.contains(&name.as_str()) && !targets.contains(*name)).collect();
    assert!(
        missing.is_empty(),
        "write agent/fuzz/src/bin/NAME.rs and a file in agent/fuzz/corpus/NAME for {missing:?}"
    );
    assert_eq!(stems("fuzz/corpus"), targets);
    for name in &targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let items: Vec<_> = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path()).collect();
        assert!(!items.is_empty(), "{name} has no corpus");
        assert!(items.iter().all(|item| item.is_file()), "{name}: a link that leads nowhere");
    }
}
