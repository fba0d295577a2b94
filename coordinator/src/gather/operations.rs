//! A trait per AWS operation, with AWS's name: the list of traits is the list of permissions.

use super::refused::Answer;
use crate::facts::{
    AvailabilityZone, BlockPublicAccessExclusion, BlockPublicAccessOptions, CallerIdentity, ConsoleOutput, Image,
    InstanceConnectEndpoint, InstanceInformation, InstanceProfile, InstanceStatus, InternetGateway, ManagedPrefixList,
    NetworkAcl, NetworkInterface, PrefixListEntry, Region, Reservation, Role, RouteTable, SecurityGroup, Simulation,
    SimulationQuestion, Subnet, TrailEvent, User,
};

/// Declares the operations, the trait that is all of them, and the list of their IAM actions.
macro_rules! operations {
    ($(#[doc = $all_doc:literal])* $all:ident, $actions:ident; $($(#[doc = $doc:literal])* $action:literal $name:ident :: $method:ident ($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(
            $(#[doc = $doc])*
            pub trait $name: Sync {
                const ACTION: &'static str = $action;

                fn $method(&self, $($arg: $kind),*) -> impl Future<Output = Answer<$answer>> + Send;
            }

            impl<T: $name> $name for $crate::gather::pace::Paced<'_, T> {
                fn $method(&self, $($arg: $kind),*) -> impl Future<Output = Answer<$answer>> + Send {
                    self.in_turn($action, move || self.aws.$method($($arg),*))
                }
            }
        )*

        $(#[doc = $all_doc])*
        pub trait $all: $($name +)* Sync {}

        impl<T: $($name +)* Sync> $all for T {}

        /// The IAM action of each operation above.
        pub const $actions: &[&str] = &[$($action),*];
    };
}
pub(super) use operations;

operations! {
    /// Everything that a run about one instance may ask of AWS.
    Aws, ACTIONS;
    "ec2:DescribeInstances" DescribeInstances::describe_instances(instance_id: &str) -> Vec<Reservation>;
    /// With IncludeAllInstances, so that an instance which does not run is seen too.
    "ec2:DescribeInstanceStatus" DescribeInstanceStatus::describe_instance_status(instance_id: &str) -> Vec<InstanceStatus>;
    /// The newest that EC2 has, at most its last 64 KB.
    "ec2:GetConsoleOutput" GetConsoleOutput::get_console_output(instance_id: &str) -> ConsoleOutput;
    "ec2:DescribeImages" DescribeImages::describe_images(image_id: &str) -> Vec<Image>;
    "ec2:DescribeRegions" DescribeRegions::describe_regions() -> Vec<Region>;
    "ec2:DescribeAvailabilityZones" DescribeAvailabilityZones::describe_availability_zones() -> Vec<AvailabilityZone>;
    "ec2:DescribeSubnets" DescribeSubnets::describe_subnets(subnet_ids: &[String]) -> Vec<Subnet>;
    "ec2:DescribeSecurityGroups" DescribeSecurityGroups::describe_security_groups(group_ids: &[String]) -> Vec<SecurityGroup>;
    "ec2:DescribeNetworkAcls" DescribeNetworkAcls::describe_network_acls(vpc_ids: &[String]) -> Vec<NetworkAcl>;
    "ec2:DescribeRouteTables" DescribeRouteTables::describe_route_tables(vpc_ids: &[String]) -> Vec<RouteTable>;
    /// All of the Region: a route may name a gateway that is attached to nothing.
    "ec2:DescribeInternetGateways" DescribeInternetGateways::describe_internet_gateways() -> Vec<InternetGateway>;
    "ec2:DescribeVpcBlockPublicAccessOptions" DescribeVpcBlockPublicAccessOptions::describe_vpc_block_public_access_options() -> BlockPublicAccessOptions;
    "ec2:DescribeVpcBlockPublicAccessExclusions" DescribeVpcBlockPublicAccessExclusions::describe_vpc_block_public_access_exclusions() -> Vec<BlockPublicAccessExclusion>;
    /// All of the Region: which one is taken hangs on the instance.
    "ec2:DescribeInstanceConnectEndpoints" DescribeInstanceConnectEndpoints::describe_instance_connect_endpoints() -> Vec<InstanceConnectEndpoint>;
    "ec2:DescribeNetworkInterfaces" DescribeNetworkInterfaces::describe_network_interfaces(interface_ids: &[String]) -> Vec<NetworkInterface>;
    /// Without names, all of the Region.
    "ec2:DescribeManagedPrefixLists" DescribeManagedPrefixLists::describe_managed_prefix_lists(names: &[String]) -> Vec<ManagedPrefixList>;
    "ec2:GetManagedPrefixListEntries" GetManagedPrefixListEntries::get_managed_prefix_list_entries(prefix_list_id: &str) -> Vec<PrefixListEntry>;
    "sts:GetCallerIdentity" GetCallerIdentity::get_caller_identity() -> CallerIdentity;
    "iam:GetRole" GetRole::get_role(role_name: &str) -> Role;
    "iam:GetInstanceProfile" GetInstanceProfile::get_instance_profile(name: &str) -> InstanceProfile;
    "iam:GetUser" GetUser::get_user(user_name: &str) -> User;
    "iam:SimulatePrincipalPolicy" SimulatePrincipalPolicy::simulate_principal_policy(question: &SimulationQuestion) -> Simulation;
    /// The policy's document; so with the four below.
    "iam:GetRolePolicy" GetRolePolicy::get_role_policy(role_name: &str, policy_name: &str) -> String;
    "iam:GetUserPolicy" GetUserPolicy::get_user_policy(user_name: &str, policy_name: &str) -> String;
    "iam:GetGroupPolicy" GetGroupPolicy::get_group_policy(group_name: &str, policy_name: &str) -> String;
    /// The answer is the id of its default version.
    "iam:GetPolicy" GetPolicy::get_policy(policy_arn: &str) -> String;
    "iam:GetPolicyVersion" GetPolicyVersion::get_policy_version(policy_arn: &str, version_id: &str) -> String;
    /// The newest first, of the last day, and no further back than the last one about the instance.
    "cloudtrail:LookupEvents" LookupEvents::lookup_events(event_name: &str, instance_id: &str) -> Vec<TrailEvent>;
    /// Every condition key and policy variable that the principal's policies read.
    "iam:GetContextKeysForPrincipalPolicy" GetContextKeysForPrincipalPolicy::get_context_keys_for_principal_policy(principal_arn: &str) -> Vec<String>;
    "ssm:DescribeInstanceInformation" DescribeInstanceInformation::describe_instance_information(instance_id: &str) -> Vec<InstanceInformation>;
    /// The answer is the command's id.
    "ssm:SendCommand" SendCommand::send_command(shell: &ShellCommand) -> String;
    "ssm:GetCommandInvocation" GetCommandInvocation::get_command_invocation(command_id: &str, instance_id: &str) -> Invocation;
}

/// A script of ours for `AWS-RunShellScript`.
#[derive(Clone, Debug)]
pub struct ShellCommand {
    pub instance_id: String,
    pub script: String,
    /// Seconds until SSM gives up delivering it; 30 is the least that AWS takes.
    pub delivery_seconds: i32,
    pub execution_seconds: u32,
}

/// The subset of `GetCommandInvocation` that we read.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    pub status: Option<String>,
    pub status_details: Option<String>,
    pub response_code: i32,
    pub standard_output: String,
    pub standard_error: String,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ACTIONS;
    use crate::commands::policy;
    use crate::gather::fleet::operations::PAGE_ACTIONS;

    #[test]
    fn the_policy_grants_exactly_what_is_called() {
        let all = ACTIONS.iter().chain(PAGE_ACTIONS).copied();
        // One needs no permission; the other is granted by the owner of the role that is meant.
        let called: BTreeSet<&str> =
            all.filter(|action| !["sts:GetCallerIdentity", "sts:AssumeRole"].contains(action)).collect();
        assert_eq!(called, policy::actions());
    }
}
