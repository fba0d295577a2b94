//! Every check in every world, compared with what was accepted; the root causes and the answer, stated in the world itself.

use eic_doctor_proto::testing::problems_of_results;

use crate::support::{lines, worlds};

#[test]
fn every_world_has_the_root_causes_and_the_answer_that_it_states() {
    let mut stated = 0;
    for world in worlds() {
        let Some(expected) = &world.expected else { continue };
        let report = world.report();
        assert_eq!(
            (report.connectable, &report.root_causes),
            (expected.connectable, &expected.root_causes),
            "{}:\n{}",
            world.name,
            lines(&report)
        );
        stated += 1;
    }
    assert!(stated > 30, "only {stated} worlds state what is expected of them");
}

#[test]
fn every_check_says_in_every_world_what_was_accepted() {
    for world in worlds() {
        let text = lines(&world.report());
        insta::with_settings!({
            snapshot_path => &world.folder, prepend_module_to_snapshot => false, omit_expression => true,
            description => world.name.clone(),
        }, {
            insta::assert_snapshot!("results", text);
        });
    }
}

#[test]
fn no_finding_of_any_world_lacks_words_or_leaves_a_hole_in_its_remedy() {
    for world in worlds() {
        assert_eq!(problems_of_results(&world.results()), Vec::<String>::new(), "{}", world.name);
    }
}
