//! The documents that hold a list, as the AWS CLI prints them.

use eic_doctor_proto::Fact;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::facts::{
    AvailabilityZone, BlockPublicAccessExclusion, BlockPublicAccessOptions, Image, Instance, InstanceConnectEndpoint,
    InstanceInformation, InstanceStatus, InternetGateway, ManagedPrefixList, NetworkAcl, NetworkInterface,
    PrefixListEntry, Region, Reservation, Role, RouteTable, SecurityGroup, Subnet, User,
};

/// A document with one list in it. Without the list it is another document.
pub trait Listing: DeserializeOwned {
    type Item;
    const KEY: &'static str;

    fn items(self) -> Option<Vec<Self::Item>>;
}

macro_rules! listings {
    ($($make:ident $name:ident { $key:literal $field:ident: $item:ty })*) => {
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
    single InstanceStatuses { "InstanceStatuses" instance_statuses: InstanceStatus }
    single Images { "Images" images: Image }
    whole Regions { "Regions" regions: Region }
    whole AvailabilityZones { "AvailabilityZones" availability_zones: AvailabilityZone }
    whole Subnets { "Subnets" subnets: Subnet }
    whole SecurityGroups { "SecurityGroups" security_groups: SecurityGroup }
    whole NetworkAcls { "NetworkAcls" network_acls: NetworkAcl }
    whole RouteTables { "RouteTables" route_tables: RouteTable }
    whole InternetGateways { "InternetGateways" internet_gateways: InternetGateway }
    whole BlockPublicAccessExclusions { "VpcBlockPublicAccessExclusions" vpc_block_public_access_exclusions: BlockPublicAccessExclusion }
    whole InstanceConnectEndpoints { "InstanceConnectEndpoints" instance_connect_endpoints: InstanceConnectEndpoint }
    whole NetworkInterfaces { "NetworkInterfaces" network_interfaces: NetworkInterface }
    whole ManagedPrefixLists { "PrefixLists" prefix_lists: ManagedPrefixList }
    whole Entries { "Entries" entries: PrefixListEntry }
    single InstanceInformationList { "InstanceInformationList" instance_information_list: InstanceInformation }
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

    fn items(self) -> Option<Vec<Reservation>> {
        self.reservations
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

/// `DescribeVpcBlockPublicAccessOptions`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct PublicAccessOptions {
    pub vpc_block_public_access_options: BlockPublicAccessOptions,
}
