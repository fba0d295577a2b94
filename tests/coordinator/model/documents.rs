//! What the AWS CLI prints, read once into plain lists. Names are AWS's; nothing is decided here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::net::{Address, Net};
use super::source::published;

/// Each call's printed answer by the name of its file, `ec2-describe-subnets`; one that is missing was never asked, and one that says
/// `EicDoctorUnreadable` was refused.
pub type Calls = BTreeMap<String, Value>;

pub struct Documents {
    pub region: String,
    pub owner: Option<String>,
    pub vpc: String,
    /// By device index.
    pub interfaces: Vec<Interface>,
    pub subnets: Option<Vec<Subnet>>,
    pub groups: Option<Vec<Group>>,
    pub acls: Option<Vec<Acl>>,
    pub tables: Option<Vec<Table>>,
    pub gateways: Option<Vec<Gateway>>,
    /// The mode, and the state it is in.
    pub block_mode: Option<(String, String)>,
    pub exclusions: Option<Vec<Exclusion>>,
    pub prefix_lists: BTreeMap<String, Vec<Net>>,
    /// By name.
    pub prefix_list_names: BTreeMap<String, String>,
    pub endpoints: Option<Vec<Endpoint>>,
    pub endpoint_interfaces: Option<Vec<Interface>>,
    /// Every border of addresses that any document names: where one side may be treated unlike the other.
    pub borders: Vec<Address>,
    /// The same for the ports of network ACLs.
    pub port_borders: Vec<u16>,
}

pub struct Interface {
    pub id: String,
    pub subnet: String,
    pub groups: Vec<String>,
    /// Private IPv4 address, and the public one that stands for it.
    pub v4: Vec<(Address, Option<Address>)>,
    pub v6: Vec<Address>,
}

pub struct Subnet {
    pub id: String,
    pub owner: Option<String>,
    pub nets: Vec<Net>,
}

pub struct Group {
    pub id: String,
    pub inbound: Vec<Rule>,
    pub outbound: Vec<Rule>,
}

pub struct Rule {
    pub protocol: String,
    pub ports: Option<(i64, i64)>,
    pub nets: Vec<Net>,
    pub prefix_lists: Vec<String>,
    pub groups: Vec<String>,
}

pub struct Acl {
    pub is_default: bool,
    pub vpc: String,
    pub subnets: Vec<String>,
    pub entries: Vec<Entry>,
}

pub struct Entry {
    pub number: i64,
    pub is_outbound: bool,
    pub allows: bool,
    pub protocol: String,
    pub ports: Option<(i64, i64)>,
    pub net: Option<Net>,
}

pub struct Table {
    pub vpc: String,
    /// Explicitly associated, and the association stands.
    pub subnets: Vec<String>,
    pub gateways: Vec<String>,
    pub is_main: bool,
    pub routes: Vec<Route>,
}

pub struct Route {
    pub net: Option<Net>,
    pub prefix_list: Option<String>,
    /// What the key that names the target is, `GatewayId`, and the id.
    pub target: (&'static str, String),
    pub state: String,
    pub origin: String,
}

pub struct Gateway {
    pub id: String,
    /// State and VPC.
    pub attachments: Vec<(String, String)>,
}

pub struct Exclusion {
    pub mode: String,
    pub resource: String,
    pub state: String,
}

pub struct Endpoint {
    pub vpc: String,
    pub subnet: String,
    pub state: String,
    pub address_type: String,
    pub keeps_client_address: bool,
    pub groups: Vec<String>,
    pub interfaces: Vec<String>,
}

const TARGETS: [&str; 12] = [
    "GatewayId",
    "NatGatewayId",
    "EgressOnlyInternetGatewayId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
    "NetworkInterfaceId",
    "InstanceId",
    "VpcEndpointId",
];

pub fn read(calls: &Calls) -> Documents {
    let list = |call: &str, key: &str| answered(calls, call).map(|value| items(&value[key]).to_vec());
    let reservation = &calls["ec2-describe-instances"]["Reservations"][0];
    let instance = &reservation["Instances"][0];
    let mut interfaces: Vec<&Value> = items(&instance["NetworkInterfaces"]).iter().collect();
    interfaces.sort_by_key(|interface| interface["Attachment"]["DeviceIndex"].as_i64());
    let options = answered(calls, "ec2-describe-vpc-block-public-access-options");
    let borders = borders(calls);
    let port_borders = port_borders(calls);
    let prefix_lists = calls.iter().filter_map(|(call, value)| {
        let id = call.strip_prefix("ec2-get-managed-prefix-list-entries.")?;
        let entries = value.get("Entries")?;
        Some((id.to_owned(), items(entries).iter().filter_map(|e| Net::parse(&text(&e["Cidr"]))).collect()))
    });
    let names = list("ec2-describe-managed-prefix-lists", "PrefixLists").unwrap_or_default();
    let names: BTreeMap<String, String> =
        names.iter().map(|l| (text(&l["PrefixListName"]), text(&l["PrefixListId"]))).collect();
    let region = text(&calls["region"]);
    let mut prefix_lists: BTreeMap<String, Vec<Net>> = prefix_lists.collect();
    // AWS publishes what is in EC2 Instance Connect's own lists, so they are known although their entries may not be read.
    for (name, is_v6) in [(".ec2-instance-connect", false), (".ipv6.ec2-instance-connect", true)] {
        let id = names.get(&format!("com.amazonaws.{region}{name}"));
        if let Some((id, net)) = id.zip(published(&region, is_v6)) {
            prefix_lists.entry(id.clone()).or_insert_with(|| vec![net]);
        }
    }
    Documents {
        region,
        owner: reservation["OwnerId"].as_str().map(str::to_owned),
        vpc: text(&instance["VpcId"]),
        interfaces: interfaces.into_iter().map(interface).collect(),
        subnets: list("ec2-describe-subnets", "Subnets").map(|all| all.iter().map(subnet).collect()),
        groups: list("ec2-describe-security-groups", "SecurityGroups").map(|all| all.iter().map(group).collect()),
        acls: list("ec2-describe-network-acls", "NetworkAcls").map(|all| all.iter().map(acl).collect()),
        tables: list("ec2-describe-route-tables", "RouteTables").map(|all| all.iter().map(table).collect()),
        gateways: list("ec2-describe-internet-gateways", "InternetGateways")
            .map(|all| all.iter().map(gateway).collect()),
        block_mode: options.map(|value| {
            let options = &value["VpcBlockPublicAccessOptions"];
            (text(&options["InternetGatewayBlockMode"]), text(&options["State"]))
        }),
        exclusions: list("ec2-describe-vpc-block-public-access-exclusions", "VpcBlockPublicAccessExclusions")
            .map(|all| all.iter().map(exclusion).collect()),
        prefix_lists,
        prefix_list_names: names,
        endpoints: list("ec2-describe-instance-connect-endpoints", "InstanceConnectEndpoints")
            .map(|all| all.iter().map(endpoint).collect()),
        endpoint_interfaces: list("ec2-describe-network-interfaces", "NetworkInterfaces")
            .map(|all| all.iter().map(interface).collect()),
        borders,
        port_borders,
    }
}

fn answered<'a>(calls: &'a Calls, call: &str) -> Option<&'a Value> {
    calls.get(call).filter(|value| value.get("EicDoctorUnreadable").is_none())
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    items(value).iter().map(|item| text(&item[key])).collect()
}

fn nets(value: &Value, key: &str) -> Vec<Net> {
    items(value).iter().filter_map(|item| Net::parse(item[key].as_str()?)).collect()
}

fn interface(value: &Value) -> Interface {
    let mut v4: Vec<&Value> = items(&value["PrivateIpAddresses"]).iter().collect();
    v4.sort_by_key(|address| address["Primary"] != Value::Bool(true));
    Interface {
        id: text(&value["NetworkInterfaceId"]),
        subnet: text(&value["SubnetId"]),
        groups: texts(&value["Groups"], "GroupId"),
        v4: v4
            .into_iter()
            .filter_map(|a| {
                let public = a["Association"]["PublicIp"].as_str().and_then(Address::parse);
                Some((Address::parse(a["PrivateIpAddress"].as_str()?)?, public))
            })
            .collect(),
        v6: items(&value["Ipv6Addresses"]).iter().filter_map(|a| Address::parse(a["Ipv6Address"].as_str()?)).collect(),
    }
}

fn subnet(value: &Value) -> Subnet {
    let v4 = value["CidrBlock"].as_str().and_then(Net::parse);
    let v6 = nets(&value["Ipv6CidrBlockAssociationSet"], "Ipv6CidrBlock");
    Subnet {
        id: text(&value["SubnetId"]),
        owner: value["OwnerId"].as_str().map(str::to_owned),
        nets: v4.into_iter().chain(v6).collect(),
    }
}

fn group(value: &Value) -> Group {
    Group {
        id: text(&value["GroupId"]),
        inbound: items(&value["IpPermissions"]).iter().map(rule).collect(),
        outbound: items(&value["IpPermissionsEgress"]).iter().map(rule).collect(),
    }
}

fn rule(value: &Value) -> Rule {
    let v4 = nets(&value["IpRanges"], "CidrIp");
    let v6 = nets(&value["Ipv6Ranges"], "CidrIpv6");
    Rule {
        protocol: text(&value["IpProtocol"]),
        ports: value["FromPort"].as_i64().zip(value["ToPort"].as_i64()),
        nets: v4.into_iter().chain(v6).collect(),
        prefix_lists: texts(&value["PrefixListIds"], "PrefixListId"),
        groups: texts(&value["UserIdGroupPairs"], "GroupId"),
    }
}

fn acl(value: &Value) -> Acl {
    Acl {
        is_default: value["IsDefault"] == Value::Bool(true),
        vpc: text(&value["VpcId"]),
        subnets: texts(&value["Associations"], "SubnetId"),
        entries: items(&value["Entries"]).iter().map(entry).collect(),
    }
}

fn entry(value: &Value) -> Entry {
    let cidr = value["CidrBlock"].as_str().or(value["Ipv6CidrBlock"].as_str());
    let ports = &value["PortRange"];
    Entry {
        number: value["RuleNumber"].as_i64().unwrap_or(i64::MAX),
        is_outbound: value["Egress"] == Value::Bool(true),
        allows: value["RuleAction"] == "allow",
        protocol: text(&value["Protocol"]),
        ports: ports["From"].as_i64().zip(ports["To"].as_i64()),
        net: cidr.and_then(Net::parse),
    }
}

fn table(value: &Value) -> Table {
    let standing =
        |association: &&Value| matches!(association["AssociationState"]["State"].as_str(), None | Some("associated"));
    let associations: Vec<&Value> = items(&value["Associations"]).iter().filter(standing).collect();
    let named = |key: &str| associations.iter().filter_map(|a| a[key].as_str().map(str::to_owned)).collect();
    Table {
        vpc: text(&value["VpcId"]),
        subnets: named("SubnetId"),
        gateways: named("GatewayId"),
        is_main: associations.iter().any(|a| a["Main"] == Value::Bool(true)),
        routes: items(&value["Routes"]).iter().map(route).collect(),
    }
}

fn route(value: &Value) -> Route {
    let cidr = value["DestinationCidrBlock"].as_str().or(value["DestinationIpv6CidrBlock"].as_str());
    let target = TARGETS.into_iter().find_map(|key| Some((key, value[key].as_str()?.to_owned())));
    Route {
        net: cidr.and_then(Net::parse),
        prefix_list: value["DestinationPrefixListId"].as_str().map(str::to_owned),
        target: target.unwrap_or(("", String::new())),
        state: text(&value["State"]),
        origin: text(&value["Origin"]),
    }
}

fn gateway(value: &Value) -> Gateway {
    Gateway {
        id: text(&value["InternetGatewayId"]),
        attachments: items(&value["Attachments"]).iter().map(|a| (text(&a["State"]), text(&a["VpcId"]))).collect(),
    }
}

fn exclusion(value: &Value) -> Exclusion {
    Exclusion {
        mode: text(&value["InternetGatewayExclusionMode"]),
        resource: text(&value["ResourceArn"]),
        state: text(&value["State"]),
    }
}

fn endpoint(value: &Value) -> Endpoint {
    let strings = |key: &str| items(&value[key]).iter().map(text).collect();
    Endpoint {
        vpc: text(&value["VpcId"]),
        subnet: text(&value["SubnetId"]),
        state: text(&value["State"]),
        address_type: value["IpAddressType"].as_str().unwrap_or("ipv4").to_owned(),
        keeps_client_address: value["PreserveClientIp"] == Value::Bool(true),
        groups: strings("SecurityGroupIds"),
        interfaces: strings("NetworkInterfaceIds"),
    }
}

/// Looks at every string of every document, whatever it is called there.
fn borders(calls: &Calls) -> Vec<Address> {
    let mut found = Vec::new();
    let mut open: Vec<&Value> = calls.values().collect();
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => open.extend(fields.values()),
            Value::String(text) => {
                if let Some(net) =
                    text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':').then(|| Net::parse(text)).flatten()
                {
                    found.push(Address { is_v6: net.is_v6, number: net.first });
                    found.extend(net.last.checked_add(1).map(|number| Address { is_v6: net.is_v6, number }));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn port_borders(calls: &Calls) -> Vec<u16> {
    let acls = calls.get("ec2-describe-network-acls").map_or(&[][..], |value| items(&value["NetworkAcls"]));
    let ranges = acls.iter().flat_map(|acl| items(&acl["Entries"])).map(|entry| &entry["PortRange"]);
    let mut found: Vec<u16> = ranges
        .flat_map(|range| [range["From"].as_u64(), range["To"].as_u64().map(|to| to + 1)])
        .filter_map(|port| u16::try_from(port?).ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
