//! The documents that hold a list, as the AWS CLI prints them.

use eic_doctor_proto::Fact;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::WorldError;
use super::text::Text;
use crate::facts::{
    AvailabilityZone, BlockPublicAccessExclusion, BlockPublicAccessOptions, Image, Instance, InstanceConnectEndpoint,
    InstanceInformation, InstanceProfile, InstanceStatus, InternetGateway, ManagedPrefixList, NetworkAcl,
    NetworkInterface, PrefixListEntry, Region, Reservation, Role, RouteTable, SecurityGroup, Subnet, TrailEvent, User,
};

/// A document with one list in it. Without the list it is another document.
pub trait Listing: DeserializeOwned {
    type Item: DeserializeOwned;
    const KEY: &'static str;
    /// What every element has, and elements of no other list.
    const ID: &'static str;

    fn items(self) -> Option<Vec<Self::Item>>;

    /// What an element of a list without a name stands for.
    fn element(value: Value) -> Value {
        value
    }
}

/// The elements where the list has no name, or where there is one element alone: what `--query` leaves of a document.
pub fn of_bare<L: Listing>(text: &Text) -> Result<Vec<L::Item>, WorldError> {
    let mut elements = Vec::new();
    flat(text.parse()?, &mut elements);
    let items = elements.into_iter().map(|element| {
        let element = L::element(element);
        match serde_json::from_value(element.clone()) {
            Ok(item) if element.get(L::ID).is_some() => Ok(item),
            Ok(_) => Err(text.refused(&format!("an element of the list has no `{}`, at line 1", L::ID))),
            Err(error) => Err(text.refused(&format!("{error}, in an element of the list that begins at line 1"))),
        }
    });
    items.collect()
}

/// `Reservations[].Instances` is a list of lists.
fn flat(value: Value, into: &mut Vec<Value>) {
    match value {
        Value::Array(list) => list.into_iter().for_each(|value| flat(value, into)),
        other => into.push(other),
    }
}

macro_rules! listings {
    ($($make:ident $name:ident { $key:literal $field:ident: $item:ty, by $id:literal })*) => {
        $(
            #[derive(Serialize, Deserialize)]
            #[serde(rename_all = "PascalCase")]
            pub struct $name {
                #[serde(default)]
                $field: Option<Vec<$item>>,
            }

            impl Listing for $name {
                type Item = $item;
                const KEY: &'static str = $key;
                const ID: &'static str = $id;

                fn items(self) -> Option<Vec<$item>> {
                    self.$field
                }
            }

            listings!(@ $make $name $field $item);
        )*
    };
    // A list that is recorded whole; one that is absent is written as an empty one.
    (@ whole $name:ident $field:ident $item:ty) => {
        impl $name {
            pub fn all(list: &Fact<Vec<$item>>) -> Fact<Self> {
                match list.clone() {
                    Fact::Absent => Fact::Known(Self { $field: Some(Vec::new()) }),
                    list => list.map(|list| Self { $field: Some(list) }),
                }
            }
        }
    };
    // A list of which one element is meant; empty when that is absent.
    (@ single $name:ident $field:ident $item:ty) => {
        impl $name {
            pub fn one(item: &Fact<$item>) -> Fact<Self> {
                match item.clone() {
                    Fact::Absent => Fact::Known(Self { $field: Some(Vec::new()) }),
                    item => item.map(|item| Self { $field: Some(vec![item]) }),
                }
            }
        }
    };
}

listings! {
    single InstanceStatuses { "InstanceStatuses" instance_statuses: InstanceStatus, by "InstanceId" }
    single Images { "Images" images: Image, by "ImageId" }
    whole Regions { "Regions" regions: Region, by "RegionName" }
    whole AvailabilityZones { "AvailabilityZones" availability_zones: AvailabilityZone, by "ZoneName" }
    whole Subnets { "Subnets" subnets: Subnet, by "SubnetId" }
    whole SecurityGroups { "SecurityGroups" security_groups: SecurityGroup, by "GroupId" }
    whole NetworkAcls { "NetworkAcls" network_acls: NetworkAcl, by "NetworkAclId" }
    whole RouteTables { "RouteTables" route_tables: RouteTable, by "RouteTableId" }
    whole InternetGateways { "InternetGateways" internet_gateways: InternetGateway, by "InternetGatewayId" }
    whole BlockPublicAccessExclusions { "VpcBlockPublicAccessExclusions" vpc_block_public_access_exclusions: BlockPublicAccessExclusion, by "ExclusionId" }
    whole InstanceConnectEndpoints { "InstanceConnectEndpoints" instance_connect_endpoints: InstanceConnectEndpoint, by "InstanceConnectEndpointId" }
    whole NetworkInterfaces { "NetworkInterfaces" network_interfaces: NetworkInterface, by "NetworkInterfaceId" }
    whole ManagedPrefixLists { "PrefixLists" prefix_lists: ManagedPrefixList, by "PrefixListId" }
    whole Entries { "Entries" entries: PrefixListEntry, by "Cidr" }
    whole Events { "Events" events: TrailEvent, by "EventName" }
    single InstanceInformationList { "InstanceInformationList" instance_information_list: InstanceInformation, by "InstanceId" }
}

/// `DescribeInstances`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Reservations {
    #[serde(default)]
    reservations: Option<Vec<Reservation>>,
}

impl Listing for Reservations {
    type Item = Reservation;
    const KEY: &'static str = "Reservations";
    const ID: &'static str = "Instances";

    fn items(self) -> Option<Vec<Reservation>> {
        self.reservations
    }

    /// An instance alone, without its reservation.
    fn element(value: Value) -> Value {
        if value.get("InstanceId").is_some() { json!({ "Instances": [value] }) } else { value }
    }
}

impl Reservations {
    /// The one instance in its reservation; none when it is absent.
    pub fn of(instance: &Fact<Instance>, owner_id: &Fact<String>) -> Fact<Self> {
        let owner_id = owner_id.known().cloned();
        match instance.clone() {
            Fact::Absent => Fact::Known(Self { reservations: Some(Vec::new()) }),
            instance => instance
                .map(|instance| Self { reservations: Some(vec![Reservation { owner_id, instances: vec![instance] }]) }),
        }
    }
}

/// `GetRole`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetRole {
    pub role: Role,
}

/// `GetUser`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetUser {
    pub user: User,
}

/// `GetInstanceProfile`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetInstanceProfile {
    pub instance_profile: InstanceProfile,
}

/// `DescribeVpcBlockPublicAccessOptions`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PublicAccessOptions {
    pub vpc_block_public_access_options: BlockPublicAccessOptions,
}

/// `GetContextKeysForPrincipalPolicy`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContextKeys {
    #[serde(default)]
    pub context_key_names: Vec<String>,
}
