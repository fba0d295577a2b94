//! `&[u8]` → facts, and the lines that were not understood. Pure; no parser panics on any bytes.

use std::borrow::Cow;

use eic_doctor_proto::Untrusted;

mod audit;
mod auth_log;
mod certificate;
mod command_line;
mod crypto_policy;
mod dbus;
mod der;
mod dns;
mod dpkg;
mod elf;
mod elf_dynamic;
mod fd;
mod fib_trie;
mod group;
mod hosts_access;
mod if_inet6;
mod ip;
mod iptables;
mod journal;
mod ld_cache;
mod login_line;
mod mountinfo;
mod name_hash;
mod net_tcp;
mod netlink;
mod nft;
mod nft_words;
mod nsswitch;
mod numbered;
mod ocsp;
mod os_release;
mod packet_words;
mod pam;
mod passwd;
mod proc_maps;
mod proc_route;
mod proc_status;
mod resolv_conf;
mod resources;
mod rpm;
mod script;
mod sections;
mod selinux_config;
mod shadow;
mod sock_diag;
mod sshd_config;
mod sshd_keys_program;
mod sshd_revoked;
mod sshd_t;
mod sshd_version;
mod systemctl;
mod time;
mod unit;
mod utmp;
mod words;

#[cfg(test)]
mod hostile;

pub use audit::parse_audit;
pub use auth_log::parse_auth_log;
pub use certificate::{Certificate, parse_certificate, parse_certificates};
pub use command_line::{CommandLine, parse_command_line, parse_sshd_arguments};
pub use crypto_policy::parse_crypto_policy;
pub use dbus::{DBUS_MESSAGE_LIMIT, DbusReply, DbusValue, dbus_message_length, parse_dbus_replies};
pub use dns::{DnsAnswer, DnsType, dns_question, parse_dns_answer};
pub use dpkg::parse_dpkg_status;
pub use elf::parse_elf_constants;
pub use elf_dynamic::{ElfNames, ElfParts, parse_elf_names, parse_elf_parts};
pub use fd::parse_socket_inode;
pub use fib_trie::parse_fib_trie;
pub use group::{GroupLine, parse_group};
pub use hosts_access::{parse_access_list, parse_hosts_access};
pub use if_inet6::parse_if_inet6;
pub use ip::{parse_ethtool_statistics, parse_ip_address, parse_ip_route, parse_ip_rule};
pub use iptables::{parse_ipset_save, parse_iptables_save};
pub use journal::{JournalEntry, JournalError, JournalQuery, JournalTail, ReadAt, parse_journal};
pub use ld_cache::parse_ld_cache;
pub use login_line::{Rule, Said, Trouble, read_login_line};
pub use mountinfo::parse_mount_points;
pub use name_hash::certificate_name_hash;
pub use net_tcp::{ListenSocket, is_past_listening, parse_net_tcp};
pub use netlink::{
    ListedChain, parse_netlink_addresses, parse_netlink_chains, parse_netlink_interfaces, parse_netlink_routes,
    parse_netlink_rules,
};
pub use nft::{NftListing, parse_nft};
pub use nsswitch::parse_nsswitch;
pub use numbered::parse_numbered;
pub use ocsp::{OcspAnswer, parse_ocsp};
pub use os_release::parse_os_release;
pub use pam::{PamLine, parse_pam};
pub use passwd::parse_passwd;
pub use proc_maps::parse_proc_maps;
pub use proc_route::{Ipv4Route, parse_proc_ipv6_route, parse_proc_route};
pub use proc_status::{ProcStatus, parse_control_group, parse_is_frozen, parse_proc_status};
pub use resolv_conf::{ResolvConf, parse_hosts, parse_resolv_conf};
pub use resources::{
    parse_loadavg, parse_meminfo, parse_oom_kills, parse_pressure, parse_processors, parse_task_groups,
};
pub use rpm::{RPM_QUERY_FORMAT, parse_rpm_query};
pub use script::{parse_interpreter, parse_reads_openssl_3};
pub use sections::{PROBE_VERSION, Section, SectionsError, parse_sections};
pub use selinux_config::parse_selinux_config;
pub use shadow::{parse_password_field, parse_shadow};
pub use sock_diag::parse_netlink_sockets;
pub use sshd_config::{ConfigLine, parse_sshd_config};
pub use sshd_keys_program::parse_keys_program;
pub use sshd_revoked::parse_revoked_keys;
pub use sshd_t::parse_sshd_t;
pub use sshd_version::{parse_sshd_version, sshd_version_among};
pub use systemctl::{ShownUnit, parse_systemctl_show};
pub use time::parse_http_date;
pub use unit::parse_unit;
pub use utmp::{UtmpLogin, parse_utmp};

/// Lines that a parser keeps to show what it did not understand.
const LINES_KEPT: usize = 20;
/// Characters of each of them.
const CHARACTERS_KEPT: usize = 200;

/// What a parser understood, and the lines that it did not (the first 20, 200 characters of each).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed<T> {
    pub value: T,
    pub not_understood: Vec<Untrusted>,
}

impl<T> Parsed<T> {
    fn pass_over(&mut self, line: &str) {
        if self.not_understood.len() < LINES_KEPT {
            self.not_understood.push(line.chars().take(CHARACTERS_KEPT).collect::<String>().into());
        }
    }
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
