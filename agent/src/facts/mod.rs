//! Plain data: what was seen on the instance. No behaviour; no judgement.
//!
//! In JSON each field is a [`Fact`]; a missing field is *not gathered*. A new fact is a new field with a default.

mod account;
mod firewall;
mod imds;
mod keys_user;
mod log;
mod network;
mod package;
mod pam;
mod resources;
mod security;
mod sshd;
mod system;
mod trust;

use eic_doctor_proto::Fact;
use serde::{Deserialize, Serialize};

pub use account::{Account, AccountFacts, Group, Logins, PasswordField, Shadow};
pub use firewall::{
    AccessLine, AccessList, AddressSet, Base, Chain, Field, FirewallFacts, Hook, HostsAccessFacts, Rule, Ruleset,
    TableFamily, Target, Test, Value,
};
pub use imds::{ImdsAnswer, ImdsFacts, ImdsView};
pub use keys_user::{
    Access, Anchor, DevLog, KeysUserFacts, Library, Namespace, NullDevice, SharedMemory, Tool, TrustStore,
};
pub use log::{LogFacts, LogLine, RecentLog};
pub use network::{
    AddressFamily, LinkLocalAllowance, NetworkFacts, OwnAddress, Route, RouteKind, RoutingRule, RuleAction,
};
pub use package::{FileState, FileType, KeysCommandFacts, Package, PackageFacts, PackageManager, real_path};
pub use pam::{NumberedLine, PamFacts, PamFile, PamRule};
pub use resources::{FileSystem, Load, Memory, ResourcesFacts, Space, TasksLimit};
pub use security::{Denial, SecurityFacts, SelinuxMode};
pub use sshd::{
    ConfigPlace, ConfigProblem, ConfigSetting, ConfiguredLine, DropIn, EffectiveConfig, Halt, KeysProgram, Listener,
    LocalAddress, PortHolder, Refusal, RevokedContent, RevokedFile, RevokedKeys, SocketUnit, SshdConfig, SshdFacts,
    SshdOption, SshdProcess, Startups, Unit,
};
pub use system::{OsRelease, SystemFacts};
pub use trust::{OcspResponse, Signer, SignerCertificate, TrustFacts, Validity};

/// Everything the agent (or the probe script) saw on the instance for one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OsFacts {
    /// Who gathered: `eic-doctor-agent 0.1.0` or `probe script 1`.
    pub gathered_by: Fact<String>,
    /// Effective user id of whoever gathered.
    pub uid: Fact<u32>,
    pub system: SystemFacts,
    pub package: PackageFacts,
    pub keys_command: KeysCommandFacts,
    pub sshd: SshdFacts,
    pub account: AccountFacts,
    pub imds: ImdsFacts,
    pub keys_user: KeysUserFacts,
    pub trust: TrustFacts,
    pub security: SecurityFacts,
    pub firewall: FirewallFacts,
    pub network: NetworkFacts,
    pub resources: ResourcesFacts,
    pub log: LogFacts,
}
