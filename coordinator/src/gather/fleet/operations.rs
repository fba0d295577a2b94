//! AWS's operations as a fleet asks them: a page at a time, about everything at once.

use crate::facts::{
    Image, InstanceInformation, InstanceStatus, NetworkAcl, Reservation, RouteTable, SecurityGroup, Subnet,
};
use crate::gather::operations::operations;
use crate::gather::refused::Answer;

/// One page of an answer, and the token of the next.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// `Filters` of `DescribeInstances`: a name and its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(pub Vec<(String, Vec<String>)>);

operations! {
    /// What a fleet asks beyond the operations about one thing.
    Pages, PAGE_ACTIONS;
    /// 1,000 instances a page.
    "ec2:DescribeInstances" DescribeInstancesPage::describe_instances_page(filters: &Filters, token: Option<&str>) -> Page<Reservation>;
    /// 1,000 a page, or those of at most 100 ids in one.
    "ec2:DescribeInstanceStatus" DescribeInstanceStatusPage::describe_instance_status_page(ids: &[String], token: Option<&str>) -> Page<InstanceStatus>;
    /// Those of at most 200 ids; one that is gone is left out of the answer.
    "ec2:DescribeImages" DescribeImagesPage::describe_images_page(ids: &[String], token: Option<&str>) -> Page<Image>;
    /// 1,000 a page.
    "ec2:DescribeSubnets" DescribeSubnetsPage::describe_subnets_page(token: Option<&str>) -> Page<Subnet>;
    /// 1,000 a page.
    "ec2:DescribeSecurityGroups" DescribeSecurityGroupsPage::describe_security_groups_page(token: Option<&str>) -> Page<SecurityGroup>;
    /// 1,000 a page.
    "ec2:DescribeNetworkAcls" DescribeNetworkAclsPage::describe_network_acls_page(token: Option<&str>) -> Page<NetworkAcl>;
    /// 100 a page: AWS gives no more.
    "ec2:DescribeRouteTables" DescribeRouteTablesPage::describe_route_tables_page(token: Option<&str>) -> Page<RouteTable>;
    /// 50 a page, AWS's most; those of at most 50 ids, or of everything that Systems Manager knows.
    "ssm:DescribeInstanceInformation" DescribeInstanceInformationPage::describe_instance_information_page(ids: &[String], token: Option<&str>) -> Page<InstanceInformation>;
    /// 20 a page, AWS's most.
    "organizations:ListAccounts" ListAccounts::list_accounts(token: Option<&str>) -> Page<Member>;
    "sts:AssumeRole" AssumeRole::assume_role(role_arn: &str, external_id: Option<&str>) -> Session;
}

/// An account of an organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    /// `ACTIVE`, `SUSPENDED`, `CLOSED`, …
    pub state: Option<String>,
}

/// The credentials of a role's session. Not `Debug`: they are secrets.
#[derive(Clone)]
pub struct Session {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}
