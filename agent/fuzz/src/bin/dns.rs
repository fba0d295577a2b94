//! DNS answers.
#![cfg_attr(feature = "libfuzzer", no_main)]

use eic_doctor_agent::parse::{DnsAnswer, DnsType, dns_question, parse_dns_answer};

eic_doctor_fuzz::target!(|bytes| {
    for kind in [DnsType::A, DnsType::Aaaa] {
        let Some(question) = dns_question(0x1234, "eic.example", kind) else { continue };
        let _ = parse_dns_answer(bytes, &question);
        // Whatever comes after the right question.
        let answer =
            [&[0x12, 0x34, 0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0], question.get(12..).unwrap_or_default(), bytes].concat();
        if let Some(DnsAnswer::Addresses(found)) = parse_dns_answer(&answer, &question) {
            assert!(found.len() <= 16);
        }
    }
});
