//! Every parser against bytes that nobody would write: no panic, and bounded leftovers.

use super::*;
use crate::facts::{AddressFamily, TableFamily};

/// A small generator with a fixed seed, so that a failure repeats (xorshift64*, Vigna 2016).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Random bytes, or pieces that mean something to one of the parsers, in a senseless order.
    fn bytes(&mut self) -> Vec<u8> {
        const PIECES: &[&str] = &[
            "\n",
            "\0",
            "=",
            ":",
            " ",
            "\t",
            "\"",
            "'",
            "\\",
            "\\\n",
            "#",
            "[",
            "]",
            "%",
            "-o",
            "-p",
            "-f",
            "--",
            "sshd: ",
            "[listener]",
            "ExecStart=",
            "[Service]",
            "argv[]=",
            " ; ignore_errors=",
            "0A",
            "0100007F:0016",
            "passwd:",
            "a:",
            "account",
            "@include",
            "required",
            "[success=1 default=die]",
            "Package",
            "Status",
            "ID",
            "Include",
            "NSpid",
            "|-- 10.0.0.1\n",
            "/32 host LOCAL\n",
            "@",
            "|",
            "!",
            "@probe\t1\n",
            "@file\t",
            "OpenSSH_",
            "-----BEGIN CERTIFICATE-----\n",
            "\n-----END CERTIFICATE-----\n",
            "MIIBMDCC",
            "#!",
            ", 06 Nov 1994 08:49:37 GMT",
            "SHA1 Fingerprint",
            ",",
            "ü",
            "\u{202e}",
            "\u{1b}[31m",
            "99999999999999999999",
            "some avg10=",
            "type=AVC ",
            "Nov 24 17:03:56 h sshd[1]: ",
            "2026-11-24T17:03:56+00:00 h s: ",
            "<86>1 2026-11-24T17:03:56Z h s 1 - - ",
            "message repeated 2 times: [ ",
            "AuthorizedKeysCommand ",
            " failed, status ",
            " not allowed because ",
            " from ",
            " port ",
            "Accepted publickey for ",
            "Connection closed by authenticating user ",
            "drop connection ",
            "from [",
            "fatal: ",
            "pam_x(sshd:account): ",
            "msg=audit(",
            "):",
            "denied",
            "{",
            "}",
            "scontext=a:b:",
            "PubkeyAcceptedAlgorithms ",
            "SELINUXTYPE=",
            "MemTotal:",
            "oom_kill ",
            "0::/",
            "-A INPUT ",
            ":f2b-sshd - [0:0]",
            " --dport ",
            " -m ",
            " ! ",
            "{\"nftables\": [",
            "{\"chain\": {\"family\": \"ip\", ",
            "\"match\"",
            "10.0.0.0/8",
            "default via ",
            "\x10\x00\x00\x00",
            "-1",
        ];
        let mut bytes = Vec::new();
        for _ in 0..self.next() % 60 {
            if self.next().is_multiple_of(3) {
                bytes.push(self.next() as u8);
            } else {
                let piece = PIECES[self.next() as usize % PIECES.len()];
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
        bytes
    }
}

#[test]
fn no_parser_panics_on_any_bytes() {
    let mut generator = Generator(0x1C0_FFEE);
    let names = std::collections::HashMap::new();
    for _ in 0..20_000 {
        let bytes = generator.bytes();
        let shown = String::from_utf8_lossy(&bytes);
        let line = parse_command_line(&bytes);
        let _ = line.value.is_listener();
        let _ = parse_sshd_arguments(&line.value);
        let _ = dbus_message_length(&bytes);
        let _ = parse_socket_inode(&shown);
        let _ = parse_interpreter(&bytes);
        let _ = parse_elf_constants(&[b"\x7fELF\x02\x01", bytes.as_slice()].concat());
        let _ = parse_elf_parts(&[b"\x7fELF\x02\x01", bytes.as_slice()].concat());
        let _ = parse_elf_names(&ElfParts::default(), &bytes);
        let _ = parse_ld_cache(&[b"glibc-ld.so.cache1.1", bytes.as_slice()].concat(), "a");
        let _ = parse_reads_openssl_3(&bytes);
        let _ = parse_hosts(&bytes, "a");
        let _ = parse_resolv_conf(&bytes);
        let _ = parse_certificate(&bytes);
        let question = dns_question(0, "a", DnsType::A).unwrap();
        let answer = [&[0, 0, 0x80, 0, 0, 1, 0, 9, 0, 0, 0, 0, 1, b'a', 0, 0, 1, 0, 1], bytes.as_slice()].concat();
        let _ = parse_dns_answer(&answer, &question);
        let _ = is_past_listening(&bytes);
        let _ = parse_sections(&bytes);
        let _ = read_login_line("sshd", &shown);
        let _ = read_login_line("ec2-instance-connect", &shown);
        let _ = parse_journal(&bytes.as_slice(), &JournalQuery { identifiers: &["sshd"], since: 0, entries: 9 });
        let _ = parse_sections(&[b"@probe\t1\n", bytes.as_slice()].concat());
        for leftovers in [
            parse_certificates(&bytes).not_understood,
            parse_dbus_replies(&bytes).not_understood,
            parse_audit(&bytes).not_understood,
            parse_auth_log(&bytes, generator.next(), |_| true).not_understood,
            parse_crypto_policy(&bytes).not_understood,
            parse_dpkg_status(&bytes).not_understood,
            parse_group(&bytes).not_understood,
            parse_access_list(&bytes).not_understood,
            parse_ethtool_statistics(&bytes).not_understood,
            parse_fib_trie(&bytes).not_understood,
            parse_hosts_access(&bytes).not_understood,
            parse_if_inet6(&bytes).not_understood,
            parse_http_date(&bytes).not_understood,
            parse_mount_points(&bytes).not_understood,
            parse_ip_address(&bytes).not_understood,
            parse_ip_route(&bytes, AddressFamily::Ipv4).not_understood,
            parse_ip_rule(&bytes, AddressFamily::Ipv6).not_understood,
            parse_ipset_save(&bytes).not_understood,
            parse_iptables_save(&bytes, TableFamily::Ip, "iptables").not_understood,
            parse_net_tcp(&bytes).not_understood,
            parse_netlink_addresses(&bytes, &names).not_understood,
            parse_netlink_chains(&bytes).not_understood,
            parse_netlink_interfaces(&bytes).not_understood,
            parse_netlink_routes(&bytes, &names).not_understood,
            parse_netlink_rules(&bytes).not_understood,
            parse_netlink_sockets(&bytes).not_understood,
            parse_nft(&bytes, false).not_understood,
            parse_nft(&[b"{\"nftables\": [", bytes.as_slice(), b"]}"].concat(), true).not_understood,
            parse_loadavg(&bytes).not_understood,
            parse_meminfo(&bytes).not_understood,
            parse_ocsp(&bytes).not_understood,
            parse_oom_kills(&bytes).not_understood,
            parse_nsswitch(&bytes, "passwd").not_understood,
            parse_numbered(&bytes, true).not_understood,
            parse_os_release(&bytes).not_understood,
            parse_pam(&bytes).not_understood,
            parse_passwd(&bytes).not_understood,
            parse_pressure(&bytes, "some").not_understood,
            parse_proc_ipv6_route(&bytes).not_understood,
            parse_proc_route(&bytes).not_understood,
            parse_proc_status(&bytes).not_understood,
            parse_processors(&bytes).not_understood,
            parse_rpm_query(&bytes).not_understood,
            parse_shadow(&bytes, "a").not_understood,
            parse_selinux_config(&bytes).not_understood,
            parse_keys_program(&bytes).not_understood,
            parse_revoked_keys(&bytes).not_understood,
            parse_sshd_config(&bytes).not_understood,
            parse_sshd_t(&bytes).not_understood,
            parse_sshd_version(&bytes).not_understood,
            parse_systemctl_show(&bytes).not_understood,
            parse_task_groups(&bytes).not_understood,
            parse_unit(&bytes).not_understood,
            parse_utmp(&bytes, "x86_64").not_understood,
        ] {
            assert!(leftovers.len() <= LINES_KEPT);
        }
    }
}

#[test]
fn a_very_long_line_is_kept_short() {
    let parsed = parse_passwd(&vec![b'x'; 1_000_000]);
    assert_eq!(parsed.not_understood[0].raw().len(), CHARACTERS_KEPT);
}
