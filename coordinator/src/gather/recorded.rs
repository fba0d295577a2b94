//! A world: a folder of recorded facts, `os.json`, `aws/*.json` as the AWS CLI prints them, and AWS's `ip-ranges.json` where one was given.
//!
//! Each file of `aws/` is one call, named as the CLI names it. What is missing was not gathered. A file may hold more than was asked
//! for (other instances, all security groups); what belongs to the instance is picked out. A file that cannot be read costs what hangs on
//! it alone, and the reason names the file and the place. A call that was refused is recorded in a
//! form of our own, `{"EicDoctorUnreadable": {"Reason": …, "MissingAction": …}}`, and what is not there as
//! `{"EicDoctorAbsent": true}` where no empty list of AWS's says so, so that a captured world judges the same.

mod files;
mod listing;
mod pages;
mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::{Fact, visible};

use super::ip_ranges::checked;
use super::trail;
use crate::facts::{AskedWith, AwsFacts, ConsoleOutput, Facts, Instance, IpRanges, Role, Simulation, User};
use files::{Folder, is_prefix_list_id, write};
use listing::{
    AvailabilityZones, BlockPublicAccessExclusions, Entries, Events, Images, InstanceConnectEndpoints,
    InstanceInformationList, InstanceStatuses, InternetGateways, ManagedPrefixLists, NetworkAcls, NetworkInterfaces,
    PublicAccessOptions, Regions, Reservations, RouteTables, SecurityGroups, Subnets,
};

pub use files::WorldFile;

/// The same call as for the push, asked a second time.
const TUNNEL: &str = "iam-simulate-principal-policy.open-tunnel";
const DESCRIBE: &str = "iam-simulate-principal-policy.describe";
const NODE: &str = "iam-simulate-principal-policy.managed-node";
const CONTEXT_KEYS: &str = "iam-get-context-keys-for-principal-policy";
const IP_RANGES: &str = "ip-ranges.json";
const PUSHES: &str = "cloudtrail-lookup-events.SendSSHPublicKey";
const TUNNELS: &str = "cloudtrail-lookup-events.OpenTunnel";
const ENTRIES: &str = "ec2-get-managed-prefix-list-entries.";

#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error("{} is no world: it holds neither `os.json` nor `aws/` with what the AWS CLI prints", .0.display())]
    NotAWorld(PathBuf),
    #[error("read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("write {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    /// `text` ends with the line and the column.
    #[error("{}: {text}", path.display())]
    Shape { path: PathBuf, text: String },
    #[error("{} holds {count} instances: name one by its id", path.display())]
    SeveralInstances { path: PathBuf, count: usize },
}

/// Reads the world in `folder`. Of several instances `instance_id` names the one that is meant; without it there must be one alone.
pub fn read_world(folder: &Path, instance_id: Option<&str>) -> Result<Facts, WorldError> {
    let folder = Folder::open(folder)?;
    let os = folder.read::<OsFacts>("os.json");
    let (instance, instance_owner_id) = instance(&folder, instance_id)?;
    // Other lists are cut down to this one, or to the one that was named although it is not recorded itself.
    let id = instance.known().and_then(|instance| instance.instance_id.as_deref()).or(instance_id);
    let image_id = instance.known().and_then(|instance| instance.image_id.clone());
    let is_ours = |other: &Option<String>| id.is_none() || other.as_deref() == id;

    let simulation = folder.call::<Simulation>("iam-simulate-principal-policy");
    let aws = AwsFacts {
        region: region(&folder, &instance),
        instance_status: folder
            .pages::<InstanceStatuses>("ec2-describe-instance-status")
            .only(|status| is_ours(&status.instance_id)),
        console: console(&folder, id),
        image: folder
            .pages::<Images>("ec2-describe-images")
            .only(|image| image_id.is_none() || image.image_id == image_id),
        regions: folder.pages::<Regions>("ec2-describe-regions").whole(),
        availability_zones: folder.pages::<AvailabilityZones>("ec2-describe-availability-zones").whole(),
        subnets: folder.pages::<Subnets>("ec2-describe-subnets").whole(),
        security_groups: folder.pages::<SecurityGroups>("ec2-describe-security-groups").whole(),
        network_acls: folder.pages::<NetworkAcls>("ec2-describe-network-acls").whole(),
        route_tables: folder.pages::<RouteTables>("ec2-describe-route-tables").whole(),
        internet_gateways: folder.pages::<InternetGateways>("ec2-describe-internet-gateways").whole(),
        block_public_access: folder
            .call::<PublicAccessOptions>("ec2-describe-vpc-block-public-access-options")
            .map(|answer| answer.vpc_block_public_access_options),
        block_public_access_exclusions: folder
            .pages::<BlockPublicAccessExclusions>("ec2-describe-vpc-block-public-access-exclusions")
            .whole(),
        instance_connect_endpoints: folder
            .pages::<InstanceConnectEndpoints>("ec2-describe-instance-connect-endpoints")
            .whole(),
        endpoint_interfaces: folder.pages::<NetworkInterfaces>("ec2-describe-network-interfaces").whole(),
        managed_prefix_lists: folder.pages::<ManagedPrefixLists>("ec2-describe-managed-prefix-lists").whole(),
        prefix_list_entries: prefix_list_entries(&folder)?,
        ip_ranges: given_ranges(&folder),
        caller: folder.call("sts-get-caller-identity"),
        principal_arn: principal(&folder, &simulation),
        simulation,
        tunnel_simulation: folder.call::<Simulation>(TUNNEL),
        describe_simulation: folder.call::<Simulation>(DESCRIBE),
        context_keys: folder.call::<listing::ContextKeys>(CONTEXT_KEYS).map(|keys| keys.context_key_names),
        managed_node: folder
            .pages::<InstanceInformationList>("ssm-describe-instance-information")
            .only(|node| is_ours(&node.instance_id)),
        instance_profile: folder
            .call::<listing::GetInstanceProfile>("iam-get-instance-profile")
            .map(|answer| answer.instance_profile),
        node_simulation: folder.call::<Simulation>(NODE),
        // What was looked up for another instance says nothing of this one.
        pushes: trail::pushes_to(&folder.pages::<Events>(PUSHES).whole(), id),
        tunnels: trail::tunnels_to(&folder.pages::<Events>(TUNNELS).whole(), &instance),
        instance,
        instance_owner_id,
        asked_with: AskedWith::default(),
    };
    Ok(Facts { aws, os })
}

/// Writes the world into `folder`, which is made when it is not there. What was not gathered is not written.
pub fn write_world(folder: &Path, facts: &Facts) -> Result<(), WorldError> {
    let aws = &facts.aws;
    write(
        folder,
        "world.json",
        &Fact::Known(WorldFile { region: aws.region.known().cloned(), ..WorldFile::default() }),
    )?;
    write(folder, "os.json", &facts.os)?;
    write(folder, IP_RANGES, &aws.ip_ranges)?;
    write(folder, "aws/ec2-describe-instances.json", &Reservations::of(&aws.instance, &aws.instance_owner_id))?;
    write(folder, "aws/ec2-describe-instance-status.json", &InstanceStatuses::one(&aws.instance_status))?;
    write(folder, "aws/ec2-get-console-output.json", &aws.console)?;
    write(folder, "aws/ec2-describe-images.json", &Images::one(&aws.image))?;
    write(folder, "aws/ec2-describe-regions.json", &Regions::all(&aws.regions))?;
    write(folder, "aws/ec2-describe-availability-zones.json", &AvailabilityZones::all(&aws.availability_zones))?;
    write(folder, "aws/ec2-describe-subnets.json", &Subnets::all(&aws.subnets))?;
    write(folder, "aws/ec2-describe-security-groups.json", &SecurityGroups::all(&aws.security_groups))?;
    write(folder, "aws/ec2-describe-network-acls.json", &NetworkAcls::all(&aws.network_acls))?;
    write(folder, "aws/ec2-describe-route-tables.json", &RouteTables::all(&aws.route_tables))?;
    write(folder, "aws/ec2-describe-internet-gateways.json", &InternetGateways::all(&aws.internet_gateways))?;
    let options =
        aws.block_public_access.clone().map(|options| PublicAccessOptions { vpc_block_public_access_options: options });
    write(folder, "aws/ec2-describe-vpc-block-public-access-options.json", &options)?;
    let exclusions = BlockPublicAccessExclusions::all(&aws.block_public_access_exclusions);
    write(folder, "aws/ec2-describe-vpc-block-public-access-exclusions.json", &exclusions)?;
    let endpoints = InstanceConnectEndpoints::all(&aws.instance_connect_endpoints);
    write(folder, "aws/ec2-describe-instance-connect-endpoints.json", &endpoints)?;
    write(folder, "aws/ec2-describe-network-interfaces.json", &NetworkInterfaces::all(&aws.endpoint_interfaces))?;
    write(folder, "aws/ec2-describe-managed-prefix-lists.json", &ManagedPrefixLists::all(&aws.managed_prefix_lists))?;
    for (id, entries) in aws.prefix_list_entries.iter().filter(|(id, _)| is_prefix_list_id(id)) {
        write(folder, &format!("aws/{ENTRIES}{id}.json"), &Entries::all(entries))?;
    }
    write(folder, "aws/sts-get-caller-identity.json", &aws.caller)?;
    let is_user = aws.principal_arn.known().is_some_and(|arn| arn.contains(":user/"));
    if is_user {
        let user =
            aws.principal_arn.clone().map(|arn| listing::GetUser { user: User { arn: Some(arn), ..User::default() } });
        write(folder, "aws/iam-get-user.json", &user)?;
    } else {
        let role =
            aws.principal_arn.clone().map(|arn| listing::GetRole { role: Role { arn: Some(arn), ..Role::default() } });
        write(folder, "aws/iam-get-role.json", &role)?;
    }
    write(folder, "aws/iam-simulate-principal-policy.json", &aws.simulation)?;
    write(folder, &format!("aws/{TUNNEL}.json"), &aws.tunnel_simulation)?;
    write(folder, &format!("aws/{PUSHES}.json"), &Events::all(&aws.pushes))?;
    write(folder, &format!("aws/{TUNNELS}.json"), &Events::all(&aws.tunnels))?;
    write(folder, &format!("aws/{DESCRIBE}.json"), &aws.describe_simulation)?;
    let keys = aws.context_keys.clone().map(|context_key_names| listing::ContextKeys { context_key_names });
    write(folder, &format!("aws/{CONTEXT_KEYS}.json"), &keys)?;
    let profile = aws.instance_profile.clone();
    let profile = profile.map(|instance_profile| listing::GetInstanceProfile { instance_profile });
    write(folder, "aws/iam-get-instance-profile.json", &profile)?;
    write(folder, &format!("aws/{NODE}.json"), &aws.node_simulation)?;
    write(folder, "aws/ssm-describe-instance-information.json", &InstanceInformationList::one(&aws.managed_node))
}

fn instance(folder: &Folder, id: Option<&str>) -> Result<(Fact<Instance>, Fact<String>), WorldError> {
    const CALL: &str = "ec2-describe-instances";
    let pages = folder.pages::<Reservations>(CALL);
    let goes_on = pages.goes_on.clone();
    let reservations = match pages.items {
        Fact::Known(reservations) => reservations,
        Fact::Absent => return Ok((Fact::Absent, Fact::Absent)),
        Fact::Unreadable(why) => return Ok((Fact::Unreadable(why.clone()), Fact::Unreadable(why))),
        Fact::NotGathered => return Ok((Fact::NotGathered, Fact::NotGathered)),
    };
    let all = reservations.into_iter().flat_map(|reservation| {
        let owner = reservation.owner_id;
        reservation.instances.into_iter().map(move |instance| (instance, owner.clone()))
    });
    let mut ours: Vec<_> = all.filter(|(instance, _)| id.is_none() || instance.instance_id.as_deref() == id).collect();
    if id.is_none() && ours.len() > 1 {
        return Err(WorldError::SeveralInstances { path: folder.path_of(CALL), count: ours.len() });
    }
    Ok(match ours.pop() {
        Some((instance, owner)) => (Fact::Known(instance), owner.map_or(Fact::NotGathered, Fact::Known)),
        None => match goes_on {
            Some(why) => (Fact::Unreadable(why.clone()), Fact::Unreadable(why)),
            None => (Fact::Absent, Fact::Absent),
        },
    })
}

/// The CLI's files do not say which Region was asked; the instance's zone tells, whose name begins with the Region's.
fn region(folder: &Folder, instance: &Fact<Instance>) -> Fact<String> {
    if let Some(region) = folder.region() {
        return Fact::Known(region.to_owned());
    }
    let zone = instance.known().and_then(|instance| instance.placement.as_ref()?.availability_zone.as_deref());
    zone.and_then(region_of_zone).map_or(Fact::NotGathered, Fact::Known)
}

/// `us-gov-west-1a` and `us-west-2-lax-1a` are zones of `us-gov-west-1` and `us-west-2`.
fn region_of_zone(zone: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in zone.split('-') {
        let number = part.trim_end_matches(|c: char| c.is_ascii_lowercase());
        if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            parts.push(number);
            return (parts.len() >= 3).then(|| parts.join("-"));
        }
        parts.push(part);
    }
    None
}

/// The whole of AWS's file, or what `capture` kept of it.
fn given_ranges(folder: &Folder) -> Fact<IpRanges> {
    match folder.read::<IpRanges>(IP_RANGES) {
        Fact::Known(all) => {
            checked(all).map_or_else(|text| Fact::unreadable(format!("{IP_RANGES}: {text}")), Fact::Known)
        }
        other => other,
    }
}

fn console(folder: &Folder, id: Option<&str>) -> Fact<ConsoleOutput> {
    match folder.call::<ConsoleOutput>("ec2-get-console-output") {
        Fact::Known(ConsoleOutput { instance_id: Some(other), .. }) if id.is_some_and(|id| id != other) => {
            Fact::unreadable(format!("ec2-get-console-output.json is of {other}"))
        }
        console => console,
    }
}

fn prefix_list_entries(
    folder: &Folder,
) -> Result<BTreeMap<String, Fact<Vec<crate::facts::PrefixListEntry>>>, WorldError> {
    let mut all = BTreeMap::new();
    for name in folder.calls_beginning_with(ENTRIES)? {
        let id = name.strip_prefix(ENTRIES).unwrap_or_default().to_owned();
        all.insert(id, folder.pages::<Entries>(&name).whole());
    }
    Ok(all)
}

fn principal(folder: &Folder, simulation: &Fact<Simulation>) -> Fact<String> {
    let role = folder.call::<listing::GetRole>("iam-get-role");
    let user = folder.call::<listing::GetUser>("iam-get-user");
    let arn = |arn: Option<String>| arn.map_or(Fact::NotGathered, Fact::Known);
    match (role, user, simulation) {
        (Fact::Known(answer), _, _) => arn(answer.role.arn),
        (_, Fact::Known(answer), _) => arn(answer.user.arn),
        (Fact::NotGathered, Fact::NotGathered, Fact::Known(Simulation { asked: Some(asked), .. })) => {
            Fact::Known(asked.policy_source_arn.clone())
        }
        (Fact::NotGathered, user, _) => user.map(|_| String::new()),
        (role, _, _) => role.map(|_| String::new()),
    }
}

/// One line of text for an error of a file, with nothing in it that a terminal would obey.
fn shape(path: PathBuf, text: impl AsRef<str>) -> WorldError {
    WorldError::Shape { path, text: visible(text.as_ref()).into_owned() }
}
