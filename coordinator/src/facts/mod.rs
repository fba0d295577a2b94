//! Mirrors of AWS's shapes: a subset, with AWS's own field names, tolerant of more.
//!
//! What the AWS CLI prints (`aws ec2 describe-…`) deserialises into these as it is, the SDK's answers are turned into them, and
//! `eic-doctor capture` writes them. No behaviour; no judgement.
//!
//! Lists are empty where AWS leaves the field out; a scalar that AWS may leave out is an `Option`.

mod console;
mod endpoint;
mod iam;
mod instance;
mod ip_ranges;
mod network;
mod region;
mod ssm;
mod time;
mod trail;

use std::collections::BTreeMap;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_proto::Fact;
use serde::{Deserialize, Serialize};

pub use console::ConsoleOutput;
pub use endpoint::InstanceConnectEndpoint;
pub use iam::{
    AttachedPermissionsBoundary, BoundaryDetail, CallerIdentity, ContextEntry, EvaluationResult, InstanceProfile,
    MatchedStatement, OrganizationsDetail, Position, QuotedPolicy, ResourceSpecificResult, Role, Simulation,
    SimulationQuestion, User,
};
pub use instance::{
    IamInstanceProfile, Image, Instance, InstanceState, InstanceStatus, InstanceStatusEvent, Ipv6Address,
    MetadataOptions, NetworkInterface, NetworkInterfaceAssociation, NetworkInterfaceAttachment, Operator, Placement,
    PrivateIpAddress, SecurityGroupIdentifier, StatusDetail, StatusSummary, Tag,
};
pub use ip_ranges::{IpRanges, Ipv4Prefix, Ipv6Prefix};
pub use network::{
    AssociationState, BlockPublicAccessExclusion, BlockPublicAccessOptions, InternetGateway, InternetGatewayAttachment,
    IpPermission, IpRange, Ipv6CidrBlockAssociation, Ipv6Range, ManagedPrefixList, NetworkAcl, NetworkAclAssociation,
    NetworkAclEntry, PortRange, PrefixListEntry, PrefixListId, Route, RouteTable, RouteTableAssociation, SecurityGroup,
    Subnet, UserIdGroupPair,
};
pub use region::{AvailabilityZone, Region};
pub use ssm::InstanceInformation;
pub use time::seconds;
pub use trail::{TrailEvent, TrailRecord};

/// Everything that is known about one instance and one attempt.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub aws: AwsFacts,
    /// Unreadable, with the reason, when no courier could bring them.
    pub os: Fact<OsFacts>,
}

/// What AWS's APIs answered. Each field is one call; a refused call is unreadable and names the missing IAM action.
#[derive(Clone, Debug, Default)]
pub struct AwsFacts {
    /// The Region that was asked, `eu-west-1`; known also when every call was refused.
    pub region: Fact<String>,
    /// `ec2:DescribeInstances`; absent: `InvalidInstanceID.NotFound`.
    pub instance: Fact<Instance>,
    /// `OwnerId` of the instance's reservation.
    pub instance_owner_id: Fact<String>,
    /// `ec2:DescribeInstanceStatus` with IncludeAllInstances.
    pub instance_status: Fact<InstanceStatus>,
    /// `ec2:GetConsoleOutput`; asked only where a status check fails, or where OS facts that were asked for could not be brought.
    pub console: Fact<ConsoleOutput>,
    /// `ec2:DescribeImages`; absent when the image is gone or not visible.
    pub image: Fact<Image>,
    /// `ec2:DescribeRegions` with AllRegions.
    pub regions: Fact<Vec<Region>>,
    /// `ec2:DescribeAvailabilityZones` with AllAvailabilityZones.
    pub availability_zones: Fact<Vec<AvailabilityZone>>,
    /// `ec2:DescribeSubnets`: every subnet of the instance's network interfaces.
    pub subnets: Fact<Vec<Subnet>>,
    /// `ec2:DescribeSecurityGroups`: those of the instance's network interfaces.
    pub security_groups: Fact<Vec<SecurityGroup>>,
    /// `ec2:DescribeNetworkAcls` of the instance's VPC.
    pub network_acls: Fact<Vec<NetworkAcl>>,
    /// `ec2:DescribeRouteTables` of the instance's VPC.
    pub route_tables: Fact<Vec<RouteTable>>,
    /// `ec2:DescribeInternetGateways` attached to the instance's VPC or named by its routes.
    pub internet_gateways: Fact<Vec<InternetGateway>>,
    /// `ec2:DescribeVpcBlockPublicAccessOptions`.
    pub block_public_access: Fact<BlockPublicAccessOptions>,
    /// `ec2:DescribeVpcBlockPublicAccessExclusions`; asked only where the options block something.
    pub block_public_access_exclusions: Fact<Vec<BlockPublicAccessExclusion>>,
    /// `ec2:DescribeInstanceConnectEndpoints`: all of the Region; asked only for an attempt that may go through one.
    pub instance_connect_endpoints: Fact<Vec<InstanceConnectEndpoint>>,
    /// `ec2:DescribeNetworkInterfaces`: those of the endpoint that the attempt goes through.
    pub endpoint_interfaces: Fact<Vec<NetworkInterface>>,
    /// `ec2:DescribeManagedPrefixLists`: EC2 Instance Connect's of the Region.
    pub managed_prefix_lists: Fact<Vec<ManagedPrefixList>>,
    /// `ec2:GetManagedPrefixListEntries` by prefix list id: EC2 Instance Connect's, and those that security group rules and routes name.
    pub prefix_list_entries: BTreeMap<String, Fact<Vec<PrefixListEntry>>>,
    /// AWS's `ip-ranges.json`, where the user gave one; only the service's own ranges.
    pub ip_ranges: Fact<IpRanges>,
    /// `sts:GetCallerIdentity`.
    pub caller: Fact<CallerIdentity>,
    /// The IAM user or role whose policies are simulated, by `iam:GetRole` or `iam:GetUser` where the path had to be learnt;
    /// unreadable, with the reason, for a principal that cannot be simulated (root, federated user, service).
    pub principal_arn: Fact<String>,
    /// `iam:SimulatePrincipalPolicy` for SendSSHPublicKey on the instance.
    pub simulation: Fact<Simulation>,
    /// `iam:SimulatePrincipalPolicy` for OpenTunnel on the endpoint that the attempt goes through.
    pub tunnel_simulation: Fact<Simulation>,
    /// `iam:SimulatePrincipalPolicy` for what a client looks up by itself: DescribeInstances and DescribeInstanceConnectEndpoints.
    pub describe_simulation: Fact<Simulation>,
    /// `iam:GetContextKeysForPrincipalPolicy`: every condition key and policy variable that the principal's policies read.
    pub context_keys: Fact<Vec<String>>,
    /// `ssm:DescribeInstanceInformation`; absent: not a managed node.
    pub managed_node: Fact<InstanceInformation>,
    /// `iam:GetInstanceProfile`, where the SSM Agent of an instance with a profile is not heard of.
    pub instance_profile: Fact<InstanceProfile>,
    /// `iam:SimulatePrincipalPolicy` for what the SSM Agent calls as that profile's role.
    pub node_simulation: Fact<Simulation>,
    /// `cloudtrail:LookupEvents` for SendSSHPublicKey on the instance in the last day, the newest first.
    pub pushes: Fact<Vec<TrailEvent>>,
    /// The same for OpenTunnel; asked only for an attempt that may go through an endpoint. All of the Region, of any endpoint.
    pub tunnels: Fact<Vec<TrailEvent>>,
    /// Not of AWS's, and never recorded: what commands of remedies repeat.
    pub asked_with: AskedWith,
}

/// How the caller said which account and Region are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedWith {
    /// `--profile`.
    pub profile: Option<String>,
    /// Whether the Region was given by `--region`, and not by the environment or the configuration.
    pub region: bool,
    /// Whether the way was left to be chosen, so that the client is `aws ec2-instance-connect ssh`, which looks the instance up.
    pub auto: bool,
}

/// An `OwnerId`-and-instances group of `DescribeInstances`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Reservation {
    pub owner_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Instance>,
}
