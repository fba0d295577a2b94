//! Which instance, and which attempt to connect. The runbook's parameter names are aliases.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use eic_doctor_proto::{Attempt, OsUser, Via};
use ipnet::IpNet;

use super::coordinator::CoordinatorArgs;
use super::{offered, value};
use crate::facts::ContextEntry;

#[derive(Clone, Debug, Args)]
pub struct InstanceArgs {
    /// The instance, such as i-0123456789abcdef0
    #[arg(value_name = "INSTANCE_ID", value_parser = value::instance_id)]
    positional: Option<String>,
    #[arg(
        long = "instance-id",
        alias = "InstanceId",
        hide = true,
        value_parser = value::instance_id,
        conflicts_with = "positional"
    )]
    named: Option<String>,
}

impl InstanceArgs {
    pub fn instance_id(&self) -> Option<&str> {
        self.positional.as_deref().or(self.named.as_deref())
    }
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The attempt")]
pub struct AttemptArgs {
    /// The OS user to log in as
    #[arg(long, value_name = "USER", default_value = "ec2-user", aliases = ["username", "Username"])]
    os_user: OsUser,
    /// ARN of the IAM role, user or assumed role that pushes the key; left out: the caller
    #[arg(
        long,
        value_name = "ARN",
        value_parser = value::principal,
        aliases = ["ec2-instance-connect-role-or-user", "EC2InstanceConnectRoleOrUser"]
    )]
    principal: Option<String>,
    /// A role to assume for every call of this run
    #[arg(
        long,
        value_name = "ARN",
        value_parser = value::role,
        aliases = ["automation-assume-role", "AutomationAssumeRole"]
    )]
    pub assume_role: Option<String>,
    /// The external id that the role's trust policy asks for
    #[arg(long, value_name = "ID", requires = "assume_role")]
    pub external_id: Option<String>,
    /// The port that sshd should listen on
    #[arg(
        long,
        value_name = "PORT",
        default_value = "22",
        value_parser = value::port,
        aliases = ["ssh-port", "SSHPort"]
    )]
    port: u16,
    /// The way
    #[arg(
        long,
        value_name = "WAY",
        default_value = "auto",
        value_parser = offered::via(),
        aliases = ["source-network-type", "SourceNetworkType"]
    )]
    via: Via,
    /// Where the connection comes from: a CIDR, an address, or `me` for this machine
    #[arg(long, value_name = "CIDR", value_parser = value::source, aliases = ["source-ip-cidr", "SourceIpCIDR"])]
    source: Option<Source>,
    /// Which of the instance's addresses is dialled; left out: the one that the way implies
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// The EC2 Instance Connect Endpoint to go through; left out: the one that the AWS CLI would choose
    #[arg(long, value_name = "ID", value_parser = value::endpoint_id)]
    endpoint: Option<String>,
    /// The client's address, for an endpoint that keeps it
    #[arg(long, value_name = "IP", conflicts_with = "source")]
    client_ip: Option<IpAddr>,
    /// What is known of the principal's requests to AWS, for policies that ask for it: aws:MultiFactorAuthPresent=true, say
    ///
    /// A condition key of IAM and its value, as in `--context-entries` of `aws iam simulate-principal-policy`; may be repeated. The OS user,
    /// the Region, tags and what a tunnel leads to are told by themselves.
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::context)]
    pub context: Vec<ContextEntry>,
    /// AWS's published address ranges, newer than the built-in ones: an ip-ranges.json, or its URL
    ///
    /// They count where the Region's managed prefix list of EC2 Instance Connect cannot be read. Nothing is downloaded unless a URL
    /// is named here: https://ip-ranges.amazonaws.com/ip-ranges.json is AWS's own.
    #[arg(long, value_name = "FILE|URL", value_parser = value::ip_ranges)]
    pub ip_ranges: Option<IpRangesFrom>,
    /// Who brings the facts of the operating system: auto, agent, ssm, script, none, or an os.json
    ///
    /// auto: the resident agent where `--coordinator` names its coordinator, else the agent through Run Command, else a script through it.
    #[arg(long, value_name = "COURIER|FILE", default_value = "auto", value_parser = value::os_facts)]
    pub os_facts: OsFactsFrom,
    #[command(flatten)]
    pub coordinator: CoordinatorArgs,
}

/// `--os-facts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OsFactsFrom {
    /// The resident agent where a coordinator is named, else the agent through SSM Run Command, else the probe script.
    Auto,
    /// The resident agent through its coordinator only.
    Agent,
    /// The agent through SSM Run Command only.
    Ssm,
    /// The probe script through SSM Run Command only.
    Script,
    None,
    /// An `os.json`.
    File(PathBuf),
}

/// `--ip-ranges`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpRangesFrom {
    File(PathBuf),
    Url(String),
}

/// `--source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Me,
    Net(IpNet),
}

#[derive(Debug, thiserror::Error)]
pub enum AttemptArgsError {
    #[error(
        "`--source` has no meaning with `--via browser`: the connection comes from the Region's own EC2 Instance Connect range"
    )]
    SourceOfBrowser,
    #[error("`{flag}` has no meaning with `--via {via}`: that way leads through no EC2 Instance Connect Endpoint")]
    NoEndpointOnThisWay { flag: &'static str, via: Via },
}

impl AttemptArgs {
    pub fn asks_for_own_address(&self) -> bool {
        self.source == Some(Source::Me)
    }

    /// The attempt; `own` is this machine's address, where `--source me` asks for it.
    pub fn attempt(&self, own: Option<IpAddr>) -> Result<Attempt, AttemptArgsError> {
        if self.via == Via::Browser && self.source.is_some() {
            return Err(AttemptArgsError::SourceOfBrowser);
        }
        let of_endpoint = [("--endpoint", self.endpoint.is_some()), ("--client-ip", self.client_ip.is_some())];
        let of_endpoint = of_endpoint.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag));
        // As in `aws ec2-instance-connect ssh`: an option of the endpoint chooses its way.
        let via = match (of_endpoint, self.via) {
            (None, via) => via,
            (Some(_), Via::Auto | Via::Endpoint) => Via::Endpoint,
            (Some(flag), via) => return Err(AttemptArgsError::NoEndpointOnThisWay { flag, via }),
        };
        let source = match self.source {
            Some(Source::Net(net)) => Some(net),
            Some(Source::Me) => own.map(IpNet::from),
            None => self.client_ip.map(IpNet::from),
        };
        Ok(Attempt {
            os_user: self.os_user.clone(),
            principal: self.principal.clone(),
            via,
            source,
            address: self.address,
            port: self.port,
            endpoint: self.endpoint.clone(),
            known_sources: Vec::new(),
        })
    }
}
