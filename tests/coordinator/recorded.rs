//! Worlds as files: what is written reads the same, what is hostile is one clear error.

use std::fs;
use std::path::Path;

use eic_doctor::facts::Facts;
use eic_doctor::gather::recorded::{WorldError, read_world, write_world};
use eic_doctor_proto::Fact;

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

/// What is left to read when one file holds `bytes`, or the error where nothing is.
fn with(file: &str, bytes: &[u8]) -> Result<Facts, WorldError> {
    let folder = copy_of("al2023-public");
    fs::write(folder.path().join(file), bytes).unwrap();
    read_world(folder.path(), None)
}

fn reason<T>(fact: &Fact<T>) -> String {
    match fact {
        Fact::Unreadable(why) => why.reason.clone(),
        Fact::Known(_) => "known".to_owned(),
        Fact::Absent | Fact::NotGathered => "nothing".to_owned(),
    }
}

#[test]
fn a_truncated_or_hostile_file_costs_its_own_facts_and_is_named_with_the_place() {
    let deep = "[".repeat(100_000);
    let deep_object = "{\"a\":".repeat(100_000);
    let whole = fs::read(root().join("tests/worlds/al2023-public/os.json")).unwrap();
    let half = &whole[..whole.len() / 2];
    let odd: [&[u8]; 9] = [
        half,
        deep.as_bytes(),
        deep_object.as_bytes(),
        b"\xff\xfe\x00",
        b"",
        b"null",
        b"[1,2]",
        b"{} trailing",
        b"{\"Reservations\": {\"Instances\": []}}",
    ];
    for bytes in odd {
        assert!(with("world.json", bytes).is_err());
        let text = reason(&with("aws/ec2-describe-instances.json", bytes).unwrap().aws.instance);
        assert!(text.starts_with("aws/ec2-describe-instances.json: "), "{text}");
        assert!(text.contains("line") && !text.contains('\n') && text.len() < 600, "{text}");
    }
    for bytes in &odd[..8] {
        let healthy = with("world.json", b"{}").unwrap();
        let facts = with("os.json", bytes).unwrap();
        assert!(reason(&facts.os).starts_with("os.json: "), "{}", reason(&facts.os));
        assert_eq!(facts.aws.instance, healthy.aws.instance);
        let facts = with("aws/iam-simulate-principal-policy.json", bytes).unwrap();
        assert!(reason(&facts.aws.simulation).contains("line"), "{}", reason(&facts.aws.simulation));
        assert_eq!(facts.os, healthy.os);
    }
}

#[test]
fn a_document_of_another_call_is_told_from_an_empty_answer() {
    let facts = with("aws/ec2-describe-route-tables.json", br#"{"Subnets": []}"#).unwrap();
    let text = reason(&facts.aws.route_tables);
    assert!(text.contains("ec2-describe-route-tables.json") && text.contains("`RouteTables`"), "{text}");
}

#[test]
fn what_is_no_file_and_what_is_too_large_costs_its_own_facts() {
    let folder = copy_of("al2023-public");
    let path = folder.path().join("aws/ec2-describe-route-tables.json");
    let tables = || reason(&read_world(folder.path(), None).unwrap().aws.route_tables);
    fs::write(&path, vec![b' '; 16 * 1024 * 1024 + 1]).unwrap();
    assert!(tables().contains("is larger than"), "{}", tables());
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
    assert!(tables().contains("not a regular file"), "{}", tables());
}

#[test]
fn pages_in_several_files_are_one_list_and_a_page_that_is_missing_is_noticed() {
    let folder = copy_of("al2023-public");
    let path = |name: &str| folder.path().join("aws").join(name);
    let whole = named("al2023-public").facts.aws;
    let read = || read_world(folder.path(), Some("i-0123456789abcdef0")).unwrap().aws;
    let group = |number: usize| format!(r#"{{"SecurityGroups": [{{"GroupId": "sg-{number}"}}], "NextToken": "more"}}"#);
    fs::rename(path("ec2-describe-security-groups.json"), path("ec2-describe-security-groups.12.json")).unwrap();
    fs::write(path("ec2-describe-security-groups.json"), group(1)).unwrap();
    fs::write(path("ec2-describe-security-groups.2.json"), group(2)).unwrap();
    fs::write(path("ec2-describe-security-groups.x.json"), "{").unwrap();
    let ids: Vec<_> =
        read().security_groups.known().unwrap().iter().map(|group| group.group_id.clone().unwrap()).collect();
    let own = whole.security_groups.known().unwrap().iter().map(|group| group.group_id.clone().unwrap());
    assert_eq!(ids, ["sg-1".to_owned(), "sg-2".to_owned()].into_iter().chain(own).collect::<Vec<_>>());
    fs::remove_file(path("ec2-describe-security-groups.12.json")).unwrap();
    let text = reason(&read().security_groups);
    assert!(text.contains("aws/ec2-describe-security-groups.2.json is not the last page"), "{text}");
    // Who is found needs no further page; who is not may be on one.
    let document = fs::read_to_string(path("ec2-describe-instances.json")).unwrap();
    let document = document.trim_end().strip_suffix('}').unwrap().to_owned() + r#", "NextToken": "more"}"#;
    fs::write(path("ec2-describe-instances.json"), document).unwrap();
    assert_eq!(read().instance, whole.instance);
    let missing = read_world(folder.path(), Some("i-00000000000000002")).unwrap().aws.instance;
    assert!(reason(&missing).contains("not the last page"), "{missing:?}");
}

#[test]
fn what_query_leaves_of_a_document_is_taken_where_it_still_says_what_it_is() {
    let whole = named("al2023-public").facts.aws;
    let document = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(root().join("tests/worlds/al2023-public/aws").join(name)).unwrap()).unwrap()
    };
    let groups = document("ec2-describe-security-groups.json")["SecurityGroups"].clone();
    let instances = document("ec2-describe-instances.json")["Reservations"][0]["Instances"].clone();
    let groups_of =
        |text: String| with("aws/ec2-describe-security-groups.json", text.as_bytes()).unwrap().aws.security_groups;
    let instance_of = |text: String| with("aws/ec2-describe-instances.json", text.as_bytes()).unwrap().aws.instance;
    assert_eq!(groups_of(groups.to_string()), whole.security_groups);
    assert_eq!(groups_of(groups[0].to_string()).known().unwrap().len(), 1);
    assert_eq!(instance_of(instances.to_string()), whole.instance);
    assert_eq!(instance_of(serde_json::json!([[instances]]).to_string()), whole.instance);
    assert_eq!(instance_of(instances[0].to_string()), whole.instance);
    assert_eq!(instance_of("[]".to_owned()), Fact::Absent);
    let picked = reason(&groups_of(r#"[{"Id": "sg-0a1b2c3d"}]"#.to_owned()));
    assert!(picked.contains("`GroupId`"), "{picked}");
}

#[test]
fn the_encodings_of_windows_and_values_that_others_write_as_null_are_read() {
    let whole = named("al2023-public").facts.aws.security_groups;
    let text =
        fs::read_to_string(root().join("tests/worlds/al2023-public/aws/ec2-describe-security-groups.json")).unwrap();
    let read = |bytes: &[u8]| with("aws/ec2-describe-security-groups.json", bytes).unwrap().aws.security_groups;
    let little: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    assert_eq!(read(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), whole);
    assert_eq!(read(&little), whole);
    assert_eq!(read(&big), whole);
    let null = br#"{"SecurityGroups": [{"GroupId": "sg-0a1b2c3d", "IpPermissions": [
        {"IpProtocol": "6", "FromPort": 22, "ToPort": 22, "IpRanges": null, "Ipv6Ranges": null, "PrefixListIds": null}], "OwnerId": null}]}"#;
    assert_eq!(read(null).known().unwrap()[0].ip_permissions.len(), 1);
}

#[test]
fn old_and_odd_shapes_judge_as_the_usual_ones() {
    let usual = named("al2023-public");
    let folder = copy_of("al2023-public");
    for entry in fs::read_dir(folder.path().join("aws")).unwrap() {
        let path = entry.unwrap().path();
        let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        make_odd(&mut document);
        fs::write(path, document.to_string()).unwrap();
    }
    let odd = read_world(folder.path(), None).unwrap();
    let statuses = |facts: &Facts| -> Vec<String> {
        lines(&report(facts, &usual.attempt()))
            .lines()
            .filter(|line| !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(statuses(&odd), statuses(&usual.facts));
    assert_eq!(report(&odd, &usual.attempt()).connectable, usual.report().connectable);
}

/// Lists in another order, TCP by its number, all protocols with ports that say nothing, and nothing of what AWS added later.
fn make_odd(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(map) => {
            for later in
                ["OwnerId", "AssociationState", "Operator", "SecurityGroupRuleId", "SecurityGroupArn", "IpAddressType"]
            {
                map.remove(later);
            }
            match map.get("IpProtocol").and_then(|protocol| protocol.as_str()) {
                Some("tcp") => drop(map.insert("IpProtocol".into(), "6".into())),
                Some("-1") => {
                    map.insert("FromPort".into(), (-1).into());
                    map.insert("ToPort".into(), (-1).into());
                }
                _ => {}
            }
            map.values_mut().for_each(make_odd);
        }
        serde_json::Value::Array(list) => {
            list.reverse();
            list.iter_mut().for_each(make_odd);
        }
        _ => {}
    }
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
