//! AWS as a test says it answers.

use std::collections::HashMap;
use std::sync::Mutex;

use eic_doctor_agent::facts::OsFacts;
use eic_doctor_agent::report::{Courier, encode_report};
use eic_doctor_proto::{Attempt, Fact};
use tokio::sync::oneshot;

use super::fleet::operations::*;
use super::operations::*;
use super::refused::{Answer, Refused};
use crate::facts::*;

pub const ID: &str = "i-0123456789abcdef0";
pub const ACCOUNT: &str = "123456789012";

/// One instance whose security group names a prefix list; every call works, unless told otherwise.
pub struct Fake {
    /// Error codes by IAM action.
    pub refuse: HashMap<&'static str, &'static str>,
    /// Actions that never answer.
    pub hang: Vec<&'static str>,
    pub caller: String,
    /// The role's ARN with its path.
    pub role_arn: String,
    pub instance: Instance,
    /// How many instances a fleet has, each like the one above.
    pub fleet: usize,
    /// Id, name and owner.
    pub prefix_lists: Vec<(&'static str, &'static str, &'static str)>,
    pub node: Option<InstanceInformation>,
    pub status: InstanceStatus,
    /// What the simulator says of everything.
    pub simulated: Vec<EvaluationResult>,
    /// Of every policy.
    pub document: String,
    /// Of the role.
    pub boundary: Option<AttachedPermissionsBoundary>,
    /// What `GetCommandInvocation` says, one after the other; the last one for ever. `Err` is an error code.
    pub invocations: Vec<Result<Invocation, &'static str>>,
    /// Calls that wait for [`Fake::answer_all`]; `None`: calls are answered at once.
    pub waiting: Option<Mutex<Vec<oneshot::Sender<()>>>>,
    /// Every call made: the action, and what it was about.
    pub made: Mutex<Vec<(&'static str, String)>>,
}

impl Fake {
    pub fn healthy() -> Self {
        let instance: Instance = serde_json::from_str(
            r#"{"InstanceId": "i-0123456789abcdef0", "ImageId": "ami-1", "State": {"Name": "running"}, "VpcId": "vpc-1",
                "SubnetId": "subnet-1", "SecurityGroups": [{"GroupId": "sg-1"}], "Tags": [{"Key": "env", "Value": "prod"}],
                "NetworkInterfaces": [{"VpcId": "vpc-1", "SubnetId": "subnet-1", "PrivateIpAddress": "10.0.0.5", "Groups": [{"GroupId": "sg-1"}]}]}"#,
        )
        .unwrap();
        Self {
            refuse: HashMap::new(),
            hang: Vec::new(),
            caller: format!("arn:aws:iam::{ACCOUNT}:user/ann"),
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/ops"),
            instance,
            fleet: 1,
            prefix_lists: vec![
                ("pl-service", "com.amazonaws.eu-west-1.ec2-instance-connect", "AWS"),
                ("pl-front", "com.amazonaws.global.cloudfront.origin-facing", "AWS"),
                ("pl-own", "office", ACCOUNT),
                ("pl-other", "data-centre", ACCOUNT),
            ],
            node: Some(InstanceInformation { ping_status: Some("Online".into()), ..InstanceInformation::default() }),
            status: InstanceStatus::default(),
            simulated: Vec::new(),
            document: String::new(),
            boundary: None,
            invocations: vec![Err("InvocationDoesNotExist"), Ok(under_way()), Ok(succeeded())],
            waiting: None,
            made: Mutex::default(),
        }
    }

    pub fn count(&self, action: &str) -> usize {
        self.made.lock().unwrap().iter().filter(|(made, _)| *made == action).count()
    }

    /// Lets every call that waits have its answer; how many these are.
    pub fn answer_all(&self) -> usize {
        let waiting = std::mem::take(&mut *self.waiting.as_ref().unwrap().lock().unwrap());
        let count = waiting.len();
        waiting.into_iter().for_each(|sender| sender.send(()).unwrap());
        count
    }

    pub fn about(&self, action: &str) -> Vec<String> {
        self.made.lock().unwrap().iter().filter(|(made, _)| *made == action).map(|(_, about)| about.clone()).collect()
    }

    async fn answer<T>(&self, action: &'static str, about: impl Into<String>, answer: T) -> Answer<T> {
        self.made.lock().unwrap().push((action, about.into()));
        if let Some(waiting) = &self.waiting {
            let (sender, answered) = oneshot::channel();
            waiting.lock().unwrap().push(sender);
            answered.await.unwrap();
        }
        if self.hang.contains(&action) {
            std::future::pending::<()>().await;
        }
        match self.refuse.get(action) {
            Some(code) => Err(Refused::from_code(action, code, "no")),
            None => Ok(answer),
        }
    }
}

pub fn under_way() -> Invocation {
    Invocation { status_details: Some("InProgress".into()), ..Invocation::default() }
}

pub fn succeeded() -> Invocation {
    let facts = OsFacts { gathered_by: Fact::Known("test".into()), ..OsFacts::default() };
    let standard_output = encode_report(&facts, &Attempt::usual(), &[]).unwrap();
    Invocation { status_details: Some("Success".into()), standard_output, ..Invocation::default() }
}

pub fn question() -> super::run::Question {
    super::run::Question {
        instance_id: ID.to_owned(),
        region: "eu-west-1".to_owned(),
        attempt: Attempt::usual(),
        context: Vec::new(),
        now: std::time::UNIX_EPOCH,
        courier: Some(Courier::Auto),
        coordinator: None,
    }
}

macro_rules! answers {
    ($($name:ident :: $method:ident ($($arg:ident: $kind:ty),*) -> $answer:ty = |$this:ident| $value:expr, $about:expr;)*) => {
        $(impl $name for Fake {
            async fn $method(&self, $($arg: $kind),*) -> Answer<$answer> {
                let $this = self;
                let value = $value;
                self.answer(<Self as $name>::ACTION, $about, value).await
            }
        })*
    };
}

answers! {
    DescribeInstances::describe_instances(id: &str) -> Vec<Reservation> = |fake| vec![Reservation {
        owner_id: Some(ACCOUNT.into()),
        instances: vec![fake.instance.clone()],
    }], id;
    DescribeInstanceStatus::describe_instance_status(id: &str) -> Vec<InstanceStatus> = |fake| vec![fake.status.clone()], id;
    GetConsoleOutput::get_console_output(id: &str) -> ConsoleOutput = |_fake| ConsoleOutput::default(), id;
    DescribeImages::describe_images(id: &str) -> Vec<Image> = |_fake| vec![Image::default()], id;
    DescribeRegions::describe_regions() -> Vec<Region> = |_fake| vec![Region::default()], "";
    DescribeAvailabilityZones::describe_availability_zones() -> Vec<AvailabilityZone> = |_fake| vec![AvailabilityZone::default()], "";
    DescribeSubnets::describe_subnets(ids: &[String]) -> Vec<Subnet> = |_fake| vec![Subnet::default()], ids.join(",");
    DescribeSecurityGroups::describe_security_groups(ids: &[String]) -> Vec<SecurityGroup> = |_fake| vec![SecurityGroup {
        ip_permissions: vec![IpPermission {
            prefix_list_ids: vec![
                PrefixListId { prefix_list_id: Some("pl-service".into()), description: None },
                PrefixListId { prefix_list_id: Some("pl-own".into()), description: None },
            ],
            ..IpPermission::default()
        }],
        ..SecurityGroup::default()
    }], ids.join(",");
    DescribeNetworkAcls::describe_network_acls(vpcs: &[String]) -> Vec<NetworkAcl> = |_fake| vec![NetworkAcl::default()], vpcs.join(",");
    DescribeRouteTables::describe_route_tables(vpcs: &[String]) -> Vec<RouteTable> = |_fake| vec![RouteTable {
        routes: vec![Route { gateway_id: Some("igw-loose".into()), ..Route::default() }],
        ..RouteTable::default()
    }], vpcs.join(",");
    DescribeInstanceConnectEndpoints::describe_instance_connect_endpoints() -> Vec<InstanceConnectEndpoint> = |_fake| vec![InstanceConnectEndpoint {
        vpc_id: Some("vpc-1".into()),
        subnet_id: Some("subnet-2".into()),
        state: Some("create-complete".into()),
        network_interface_ids: vec!["eni-2".into()],
        security_group_ids: vec!["sg-2".into()],
        instance_connect_endpoint_arn: Some("arn:aws:ec2:eu-west-1:123456789012:instance-connect-endpoint/eice-1".into()),
        ..InstanceConnectEndpoint::default()
    }], "";
    DescribeNetworkInterfaces::describe_network_interfaces(ids: &[String]) -> Vec<NetworkInterface> = |_fake| vec![NetworkInterface::default()], ids.join(",");
    DescribeVpcBlockPublicAccessOptions::describe_vpc_block_public_access_options() -> BlockPublicAccessOptions = |_fake| BlockPublicAccessOptions {
        internet_gateway_block_mode: Some("block-ingress".into()),
        ..BlockPublicAccessOptions::default()
    }, "";
    DescribeVpcBlockPublicAccessExclusions::describe_vpc_block_public_access_exclusions() -> Vec<BlockPublicAccessExclusion> = |_fake| Vec::new(), "";
    DescribeInternetGateways::describe_internet_gateways() -> Vec<InternetGateway> = |_fake| {
        let gateway = |id: &str, vpc: Option<&str>| InternetGateway {
            internet_gateway_id: Some(id.into()),
            attachments: vpc.map(|vpc| InternetGatewayAttachment { state: None, vpc_id: Some(vpc.into()) }).into_iter().collect(),
        };
        vec![gateway("igw-own", Some("vpc-1")), gateway("igw-loose", None), gateway("igw-other", Some("vpc-2"))]
    }, "";
    DescribeManagedPrefixLists::describe_managed_prefix_lists(names: &[String]) -> Vec<ManagedPrefixList> = |fake| {
        let list = |(id, name, owner): &(&str, &str, &str)| ManagedPrefixList {
            prefix_list_id: Some((*id).into()),
            prefix_list_name: Some((*name).into()),
            owner_id: Some((*owner).into()),
            ..ManagedPrefixList::default()
        };
        fake.prefix_lists.iter().map(list).collect()
    }, names.join(",");
    GetManagedPrefixListEntries::get_managed_prefix_list_entries(id: &str) -> Vec<PrefixListEntry> = |_fake| vec![], id;
    GetCallerIdentity::get_caller_identity() -> CallerIdentity = |fake| CallerIdentity {
        account: Some(ACCOUNT.into()),
        arn: Some(fake.caller.clone()),
        user_id: None,
    }, "";
    GetRole::get_role(name: &str) -> Role = |fake| Role {
        arn: Some(fake.role_arn.clone()),
        permissions_boundary: fake.boundary.clone(),
        ..Role::default()
    }, name;
    GetUser::get_user(name: &str) -> User = |_fake| User {
        arn: Some(format!("arn:aws:iam::{ACCOUNT}:user/path/{name}")),
        ..User::default()
    }, name;
    GetRolePolicy::get_role_policy(role: &str, policy: &str) -> String = |fake| fake.document.clone(), format!("{role} {policy}");
    GetUserPolicy::get_user_policy(user: &str, policy: &str) -> String = |fake| fake.document.clone(), format!("{user} {policy}");
    GetGroupPolicy::get_group_policy(group: &str, policy: &str) -> String = |fake| fake.document.clone(), format!("{group} {policy}");
    GetPolicy::get_policy(arn: &str) -> String = |_fake| "v3".to_owned(), arn;
    GetPolicyVersion::get_policy_version(arn: &str, version: &str) -> String = |fake| fake.document.clone(), format!("{arn} {version}");
    GetInstanceProfile::get_instance_profile(name: &str) -> InstanceProfile = |fake| InstanceProfile {
        roles: vec![Role { arn: Some(fake.role_arn.clone()), ..Role::default() }],
        ..InstanceProfile::default()
    }, name;
    DescribeInstanceInformation::describe_instance_information(id: &str) -> Vec<InstanceInformation> = |fake| {
        fake.node.clone().into_iter().collect()
    }, id;
    LookupEvents::lookup_events(event_name: &str, _instance_id: &str) -> Vec<TrailEvent> = |_fake| Vec::new(), event_name;
    SendCommand::send_command(shell: &ShellCommand) -> String = |_fake| "command-1".to_owned(), shell.script.clone();
}

impl SimulatePrincipalPolicy for Fake {
    async fn simulate_principal_policy(&self, question: &SimulationQuestion) -> Answer<Simulation> {
        let action = <Self as SimulatePrincipalPolicy>::ACTION;
        let arn = question.policy_source_arn.clone();
        let evaluation_results = self.simulated.clone();
        let simulation = Simulation { asked: Some(question.clone()), evaluation_results, ..Simulation::default() };
        let is_known = [&self.role_arn, &self.caller].contains(&&arn) || arn.contains("/path/");
        self.answer(action, arn, simulation).await.and_then(|simulation| match is_known {
            true => Ok(simulation),
            false => Err(Refused::from_code(action, "NoSuchEntity", "no such principal")),
        })
    }
}

impl GetCommandInvocation for Fake {
    async fn get_command_invocation(&self, command_id: &str, _instance_id: &str) -> Answer<Invocation> {
        let action = <Self as GetCommandInvocation>::ACTION;
        let asked = self.count(action).min(self.invocations.len() - 1);
        self.answer(action, command_id, ()).await?;
        self.invocations[asked].clone().map_err(|code| Refused::from_code(action, code, "no"))
    }
}

answers! {
    DescribeInstancesPage::describe_instances_page(_filters: &Filters, token: Option<&str>) -> Page<Reservation> = |fake| fake.page(1000, token, |id| Reservation {
        owner_id: Some(ACCOUNT.into()),
        instances: vec![Instance { instance_id: Some(id), ..fake.instance.clone() }],
    }), token.unwrap_or_default();
    DescribeInstanceStatusPage::describe_instance_status_page(_ids: &[String], token: Option<&str>) -> Page<InstanceStatus> = |fake| fake.page(1000, token, |id| InstanceStatus {
        instance_id: Some(id),
        ..InstanceStatus::default()
    }), token.unwrap_or_default();
    DescribeInstanceInformationPage::describe_instance_information_page(_ids: &[String], token: Option<&str>) -> Page<InstanceInformation> = |fake| fake.page(50, token, |id| InstanceInformation {
        instance_id: Some(id),
        ..InstanceInformation::default()
    }), token.unwrap_or_default();
    DescribeImagesPage::describe_images_page(ids: &[String], _token: Option<&str>) -> Page<Image> = |_fake| Page { items: vec![], next: None }, ids.join(",");
    DescribeSubnetsPage::describe_subnets_page(_token: Option<&str>) -> Page<Subnet> = |_fake| Page {
        items: vec![Subnet { subnet_id: Some("subnet-1".into()), vpc_id: Some("vpc-1".into()), ..Subnet::default() }],
        next: None,
    }, "";
    DescribeSecurityGroupsPage::describe_security_groups_page(_token: Option<&str>) -> Page<SecurityGroup> = |_fake| Page {
        items: vec![SecurityGroup { group_id: Some("sg-1".into()), vpc_id: Some("vpc-1".into()), ..SecurityGroup::default() }],
        next: None,
    }, "";
    DescribeNetworkAclsPage::describe_network_acls_page(_token: Option<&str>) -> Page<NetworkAcl> = |_fake| Page { items: vec![], next: None }, "";
    DescribeRouteTablesPage::describe_route_tables_page(_token: Option<&str>) -> Page<RouteTable> = |_fake| Page { items: vec![], next: None }, "";
    GetContextKeysForPrincipalPolicy::get_context_keys_for_principal_policy(arn: &str) -> Vec<String> = |_fake| vec!["aws:resourcetag/env".into()], arn;
    ListAccounts::list_accounts(token: Option<&str>) -> Page<Member> = |_fake| Page { items: vec![], next: None }, token.unwrap_or_default();
    AssumeRole::assume_role(role_arn: &str, _external_id: Option<&str>) -> Session = |_fake| Session {
        access_key_id: String::new(),
        secret_access_key: String::new(),
        session_token: String::new(),
    }, role_arn;
}

impl Fake {
    /// A page of the fleet: its token is the number of its first instance.
    fn page<T>(&self, size: usize, token: Option<&str>, item: impl Fn(String) -> T) -> Page<T> {
        let first = token.map_or(0, |token| token.parse().unwrap());
        let end = (first + size).min(self.fleet);
        let items = (first..end).map(|number| item(format!("i-{number:017x}"))).collect();
        Page { items, next: (end < self.fleet).then(|| end.to_string()) }
    }
}
