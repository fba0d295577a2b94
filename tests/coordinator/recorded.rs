//! Worlds as files: what is written reads the same, what is hostile is one clear error.

use std::fs;
use std::path::Path;

use eic_doctor::gather::recorded::{WorldError, read_world, write_world};

use crate::support::{lines, named, report, root, worlds};

#[test]
fn a_world_that_is_written_and_read_again_judges_the_same() {
    for world in worlds() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("deep/down");
        write_world(&to, &world.facts).unwrap();
        let again = read_world(&to, None).unwrap();
        assert_eq!(lines(&report(&again, &world.attempt())), lines(&world.report()), "{}", world.name);
        assert_eq!(report(&again, &world.attempt()), world.report(), "{}", world.name);
    }
}

#[test]
fn of_several_instances_the_named_one_is_meant() {
    let folder = copy_of("al2023-public");
    let path = folder.path().join("aws/ec2-describe-instances.json");
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut other = document["Reservations"][0].clone();
    other["Instances"][0]["InstanceId"] = "i-00000000000000001".into();
    other["Instances"][0]["State"]["Name"] = "stopped".into();
    document["Reservations"].as_array_mut().unwrap().insert(0, other);
    fs::write(&path, document.to_string()).unwrap();
    assert!(matches!(read_world(folder.path(), None), Err(WorldError::SeveralInstances { count: 2, .. })));
    let state = |id| {
        let facts = read_world(folder.path(), Some(id)).unwrap();
        facts.aws.instance.known().and_then(|i| i.state.clone()?.name)
    };
    assert_eq!(state("i-0123456789abcdef0").as_deref(), Some("running"));
    assert_eq!(state("i-00000000000000001").as_deref(), Some("stopped"));
    let missing = read_world(folder.path(), Some("i-00000000000000002")).unwrap();
    assert_eq!(missing.aws.instance, eic_doctor_proto::Fact::Absent);
}

#[test]
fn the_region_is_told_by_the_zone_where_no_file_of_ours_tells_it() {
    for (zone, region) in [
        ("eu-west-1a", Some("eu-west-1")),
        ("us-gov-east-1b", Some("us-gov-east-1")),
        ("us-west-2-lax-1a", Some("us-west-2")),
        ("us-east-1-wl1-bos-wlz-1", Some("us-east-1")),
        ("nowhere", None),
        ("", None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("aws")).unwrap();
        let text = format!(
            r#"{{"Reservations": [{{"Instances": [{{"InstanceId": "i-0123456789abcdef0", "Placement": {{"AvailabilityZone": "{zone}"}}}}]}}]}}"#
        );
        fs::write(folder.path().join("aws/ec2-describe-instances.json"), text).unwrap();
        let facts = read_world(folder.path(), None).unwrap();
        assert_eq!(facts.aws.region.known().map(String::as_str), region, "{zone}");
    }
}

#[test]
fn a_truncated_or_hostile_file_is_one_error_that_names_it() {
    let deep = "[".repeat(100_000);
    let deep_object = "{\"a\":".repeat(100_000);
    let whole = fs::read(root().join("tests/worlds/al2023-public/os.json")).unwrap();
    let half = &whole[..whole.len() / 2];
    let instances: &[u8] = b"{\"Reservations\": {\"Instances\": []}}";
    let odd: [&[u8]; 9] = [
        half,
        deep.as_bytes(),
        deep_object.as_bytes(),
        b"\xff\xfe\x00",
        b"",
        b"null",
        b"[1,2]",
        b"{} trailing",
        instances,
    ];
    for file in ["os.json", "world.json", "aws/ec2-describe-instances.json", "aws/iam-simulate-principal-policy.json"] {
        for bytes in odd {
            if file != "aws/ec2-describe-instances.json" && bytes == instances && file != "world.json" {
                continue;
            }
            let folder = copy_of("al2023-public");
            fs::write(folder.path().join(file), bytes).unwrap();
            let error = read_world(folder.path(), None).map(drop).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(file.rsplit('/').next().unwrap()), "{file}: {text}");
            assert!(text.contains("line") && !text.contains('\n') && text.len() < 600, "{file}: {text}");
        }
    }
}

#[test]
fn a_document_of_another_call_is_told_from_an_empty_answer() {
    let folder = copy_of("al2023-public");
    fs::write(folder.path().join("aws/ec2-describe-route-tables.json"), r#"{"Subnets": []}"#).unwrap();
    let error = read_world(folder.path(), None).map(drop).unwrap_err().to_string();
    assert!(error.contains("ec2-describe-route-tables.json") && error.contains("`RouteTables`"), "{error}");
}

#[test]
fn what_is_no_file_and_what_is_too_large_is_refused() {
    let folder = copy_of("al2023-public");
    let path = folder.path().join("aws/ec2-describe-route-tables.json");
    fs::write(&path, vec![b' '; 16 * 1024 * 1024 + 1]).unwrap();
    assert!(matches!(read_world(folder.path(), None), Err(WorldError::TooLarge { .. })));
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(matches!(read_world(folder.path(), None), Err(WorldError::Read { .. })));
}

#[test]
fn a_folder_that_is_no_world_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("missing")] {
        let error = read_world(&path, None).map(drop).unwrap_err();
        assert!(matches!(error, WorldError::NotAWorld(_)), "{error}");
    }
}

#[test]
fn a_base_is_a_neighbour_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world");
    copy(&root().join("tests/worlds/al2023-public"), &folder.path().join("below"));
    fs::create_dir(&world).unwrap();
    let with = |text: &str| {
        fs::write(world.join("world.json"), text).unwrap();
        read_world(&world, None).map(|facts| facts.aws.instance.known().is_some())
    };
    assert!(with(r#"{"base": "below"}"#).unwrap());
    for bad in ["../below", "/etc", "", "world", "missing", "below/../below"] {
        let error = with(&format!(r#"{{"base": "{bad}"}}"#)).unwrap_err().to_string();
        assert!(error.contains("neighbouring world"), "{bad}: {error}");
    }
    assert!(with(r#"{"bass": "below"}"#).unwrap_err().to_string().contains("bass"));
}

#[test]
fn only_what_was_gathered_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut facts = named("al2023-public").facts;
    facts.os = eic_doctor_proto::Fact::NotGathered;
    facts.aws.prefix_list_entries.insert("../../evil".into(), eic_doctor_proto::Fact::Known(Vec::new()));
    write_world(folder.path(), &facts).unwrap();
    assert!(!folder.path().join("os.json").exists());
    assert!(!folder.path().parent().unwrap().join("evil.json").exists());
}

fn copy_of(world: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("tests/worlds").join(world), folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
